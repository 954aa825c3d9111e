# Les mêmes phrases en français ; voir known.en.ftl.

## A remote does not work

trouble-daily-limit = La limite d’appels API par jour de l’organisation est atteinte ; un nouvel essai a lieu de temps en temps. Voir Configuration, Vue d’ensemble du système, Utilisation de l’API.
trouble-budget = Le budget du connecteur (salesforce.api_calls_per_day) est épuisé ; il reprend dès que des appels des dernières 24 heures expirent.
trouble-busy = Il demande de revenir plus tard.
trouble-not-sent = Il ne peut pas être joint : vérifier l’adresse et le réseau.
trouble-no-answer = Il ne répond pas comme il faut ; rien n’est perdu entre-temps.
trouble-road = Quelque chose répond à sa place sur le chemin, ou son adresse a changé : vérifier les proxys, les pare-feux et l’adresse ; rien n’est perdu entre-temps.
trouble-session-over = La session est terminée ; l’appel suivant se connecte de nouveau.
trouble-store = Notre propre état ne fonctionne pas.
trouble-refused = Il refuse avec le statut { $status }.
trouble-other-org = Cet état appartient à l’organisation Salesforce { $ours }, la connexion mène à { $found } : rien n’y est envoyé. Une copie de sandbox ne doit pas écrire aux clients : lui donner son propre dossier d’état (state.path), ou la bonne connexion.
trouble-other-account = Cet état appartient à un autre compte Goodays que le jeton : donner son propre dossier d’état (state.path), ou le bon jeton.
trouble-token = Goodays n’accepte pas le jeton (statut { $status }) : vérifier goodays.token avec Goodays
trouble-token-letters = goodays.token contient un caractère qu’aucun en-tête ne peut porter
trouble-base-url = goodays.base_url n’est pas une adresse http
trouble-session-refused = Salesforce refuse la session qu’il vient de donner : vérifier la portée de l’application (api), l’accès à l’API et les règles de session de l’utilisateur d’intégration
trouble-redirect = Salesforce répond par une redirection, qui n’est jamais suivie : vérifier salesforce.login_url (l’adresse My Domain) et les proxys sur le chemin
trouble-no-api = Salesforce ne laisse pas l’utilisateur d’intégration utiliser l’API REST : vérifier la portée de l’application (api), l’accès à l’API et les restrictions d’adresses IP ({ $code })
trouble-every-write = Salesforce refuse toute écriture (statut { $status } { $code }) : vérifier salesforce.api_version et les droits de l’utilisateur d’intégration
trouble-every-action = Goodays montre ce qu’on lui demande et refuse toute action ({ $code }) : vérifier avec Goodays si le compte du jeton peut encore répondre, et les proxys sur le chemin. Rien de plus n’est mis de côté pour cela ; une action est essayée de temps en temps, et toutes partent d’elles-mêmes dès que l’une est acceptée.
trouble-admin = Salesforce refuse toute écriture de ce genre avec { $code } : un administrateur doit regarder l’organisation.
trouble-key-field = Le champ { $field } ne peut pas être écrit ({ $code }) : déployer les champs et l’ensemble d’autorisations de salesforce/, et attribuer l’ensemble à l’utilisateur du connecteur.
trouble-bad-name = { $name } : corriger le mapping
trouble-poll = Salesforce refuse la requête de lecture avec { $code } ; lancer `check`
trouble-rows = Salesforce contient des enregistrements trop grands pour être lus, et ce que les agents y font n’est pas vu : { $records } ; raccourcir leurs textes
trouble-page = La réponse à la plus petite requête de lecture est trop grande pour être lue : vérifier ce qui répond à la place de Salesforce
trouble-user-not-asked = quelque chose sur le chemin de Goodays refuse la recherche de l’utilisateur d’un agent, ses actions attendent donc : vérifier les proxys et pare-feu sur le chemin
trouble-default-user = Goodays n’accepte pas l’utilisateur de goodays.default_user, les actions des agents sans utilisateur partent donc au nom du compte : le corriger
trouble-not-shown = Salesforce refuse de montrer les réponses avant leur envoi, avec { $code } : elles attendent ; lancer `check`
trouble-login-redirect = salesforce.login_url répond par une redirection : donner l’adresse My Domain de l’organisation
trouble-no-roots = { $why } ; cette machine n’a pas de certificats d’autorité : installer le paquet ca-certificates, ou en nommer un fichier dans SSL_CERT_FILE, et redémarrer
trouble-private-key = salesforce.auth.private_key_file ne contient pas de clé privée RSA au format PEM
trouble-instance-url = La connexion de Salesforce donne un instance_url qui n’est pas de Salesforce : vérifier salesforce.login_url

## Salesforce refuses the login; the code stands behind

login-secret = vérifier salesforce.auth.client_secret : il est faux ou absent ({ $code })
login-client = vérifier salesforce.auth.client_id : Salesforce ne le connaît pas (une nouvelle application demande environ dix minutes) ({ $code })
login-app = l’application n’est pas installée dans cette organisation : vérifier salesforce.login_url ({ $code })
login-flow = activer le flux de salesforce.auth.flow dans les réglages de l’application ({ $code })
login-permission = attribuer l’ensemble d’autorisations de l’application à l’utilisateur d’intégration ({ $code })
login-user = activer l’utilisateur d’intégration ({ $code })
login-org = l’organisation n’est pas active ({ $code })
login-domain = donner l’adresse My Domain comme salesforce.login_url ({ $code })
login-run-as = définir l’utilisateur « Run-As » dans la règle client credentials de l’application ({ $code })
login-approve = autoriser d’avance l’utilisateur d’intégration pour l’application (ensemble d’autorisations) ({ $code })
login-audience = vérifier salesforce.auth.audience (une sandbox a https://test.salesforce.com) ({ $code })
login-clock = vérifier l’horloge de cette machine : l’assertion signée est tenue pour expirée ({ $code })
login-certificate = vérifier salesforce.auth.private_key_file : l’application a un autre certificat ({ $code })
login-failure = vérifier l’utilisateur d’intégration : nom, verrouillage et restrictions d’adresses IP ({ $code })
login-other = Salesforce refuse la connexion : vérifier l’application et l’utilisateur d’intégration ({ $code })
login-rate = Salesforce limite le rythme des connexions
login-busy = la connexion à Salesforce a répondu { $status }
login-no-answer = la connexion a répondu { $status }
login-unreadable = la réponse de la connexion ne peut pas être lue

## A call failed

failure-not-sent = non envoyé : { $why }
failure-busy = occupé : { $why }
failure-refused = refusé avec le statut { $status }
failure-no-answer = pas de réponse : { $why }
failure-road = le chemin est perturbé : { $why }
failure-session = la session est terminée : { $why }
failure-store = notre propre état : { $why }
failure-budget = le budget d’appels à Salesforce est épuisé
failure-out-of-reach = il était injoignable il y a un instant
failure-status = statut { $status }, et pas dans les termes de Goodays
failure-status-all = statut { $status } pour chaque avis
failure-status-other = statut { $status } qui n’est pas de Salesforce
failure-page = une page avec le statut { $status }
failure-no-json = une réponse qui n’est pas du JSON, ou qui est coupée
failure-too-long = une réponse trop longue pour être lue
failure-behind = un avis trop grand pour être lu, et rien sur la page suivante
failure-too-many = une réponse avec trop de valeurs pour être lue
failure-other-response = un autre avis que celui qui était demandé
failure-within = elle s’est terminée pendant un appel
failure-other-user = la connexion a un autre utilisateur Salesforce qu’avant
failure-login-over = elle s’est terminée, et la connexion a échoué
failure-rate = Goodays limite le rythme des appels
failure-status-plain = statut { $status }
failure-then = statut { $status }, puis : { $why }
failure-unreadable = illisible : { $why }
failure-users = une liste d’utilisateurs sans fin
failure-dashboard = un tableau de bord sans ses nombres
failure-list = une réponse qui n’est pas une liste
failure-user = un utilisateur sans identifiant
failure-nothing = plus aucun avis n’est montré
failure-listed = statut { $status } pour un avis qui figure dans la liste
failure-value = une réponse qui contient une valeur illisible
failure-away = Goodays est indisponible pour un moment (statut 503)
failure-dates = des réponses dont les en-têtes Date se contredisent
failure-next = une page suivante qui n’est pas une adresse
failure-figures = des statistiques sans leurs chiffres
failure-describe = une description d’objet sans champs
failure-steps = une réponse à laquelle manquent des étapes
failure-step = une réponse sans étape
failure-graphs = une réponse à laquelle manquent des graphes, ou dont l’un se contredit
failure-query = la réponse à une requête de lecture, illisible
failure-circle = les pages d’une requête de lecture ramènent à une page déjà lue
failure-rows = les pages d’une requête de lecture répètent les mêmes lignes
failure-poll = les pages d’une interrogation répètent les mêmes lignes

## The store

store-broken = le disque a refusé une écriture ({ $why }) ; rien n’est accepté avant un redémarrage : vérifier le disque et sa place
store-space = seulement { $free } octets sont libres à l’endroit de l’état, { $floor } doivent le rester : faire de la place ou agrandir le disque
store-rebuild = la base est endommagée ({ $why }) : le processus se termine, et le prochain démarrage la refait à partir des journaux
store-damaged = un enregistrement est endommagé : { $why }
store-unreadable = l’état ne peut pas être lu : { $why }
store-unavailable = la base de données ne répond pas : { $why }
store-term = une autre instance a repris le travail
store-no-answer = pas de réponse en { $limit }
store-late = pas de réponse à temps
store-stalls = il n’a pas répondu pendant { $count } s
store-queue = trop de webhooks attendent
store-closing = il est en cours de fermeture
store-deadlock = des instructions s’attendaient les unes les autres
store-session = la session a perdu ses instructions ({ $why }) : derrière PgBouncer, prendre pool_mode = session
store-schema = son schéma a la version { $found }, ce programme connaît { $known }
store-journals = les journaux : { $why }
store-empty = il est vide
store-version = il a la version inconnue { $version }
store-record = il ne peut pas être lu : { $why }
store-form = sa forme est inconnue
store-part = il en manque une partie
store-hash = ses parties n’ont pas l’empreinte de l’ensemble
store-checksum = sa somme de contrôle est fausse
store-block = un bloc est coupé

## Why an event is parked

parked-no-response = il ne nomme aucun avis
parked-unreadable = l’événement enregistré ne peut pas être lu : { $why }
parked-no-text = ce n’est pas de l’UTF-8
parked-no-json = ce n’est pas du JSON qui puisse être tenu
parked-messages = l’événement contient plus de { $count } messages
parked-values = l’événement contient plus de { $count } valeurs
parked-crashed = son traitement a arrêté le processus trois fois ; `retry` le réessaie
parked-no-bytes = Les octets de cet événement sont endommagés sur le disque. Le faire renvoyer par Goodays, ou lancer sweep : ce qui manque y est trouvé.
parked-damaged = Ce qui est gardé de cet événement est endommagé ; ses octets sont peut-être lisibles : le réessayer ou l’abandonner.
parked-duplicate = Salesforce dit que la clé existe déjà, mais aucune requête avec elle n’est visible : donner à l’utilisateur du connecteur l’accès à toutes les requêtes (View All), ou chercher une requête qu’il ne voit pas.
parked-refused = Salesforce le refuse avec { $code } : { $why }
parked-refused-mute = sans raison donnée
parked-refused-field = Salesforce le refuse avec { $code } { $field }
parked-refused-vital = Salesforce le refuse avec { $code } pour { $field }, dont aucune requête ne peut se passer.
parked-limits = Salesforce le refuse avec { $code }, même seul : il atteint les limites propres de l’organisation.
parked-kept = Salesforce l’a toujours refusé avec { $code }.
parked-breach = Retenu, car cela ne doit jamais arriver : { $breach }. Merci de le signaler ; rien n’a été envoyé.
breach-marker = des commentaires seraient écrits sans la marque qui les prouve
breach-key = une requête serait créée sans sa clé
breach-other-case = la requête d’un autre avis serait modifiée
event-object = { $what } manque ou n’est pas un objet
event-no-id = response.id manque, ou n’est ni un texte ni un entier
event-id-empty = response.id est vide
event-id-long = response.id a { $length } caractères, le champ clé de la requête en tient { $most }
event-id-control = response.id contient un caractère de contrôle
event-id-blank = response.id commence ou finit par une espace, que le champ clé de la requête ne garde pas
event-id-dots = response.id est un segment de chemin fait de points
event-id-slash = response.id contient une barre oblique : il ne peut pas figurer dans le chemin d’un appel à Goodays
event-id-reserved = response.id est un chemin de l’API Goodays elle-même
event-id-reference = response.id contient `{ $sign }`, que Salesforce lit comme une référence : sa requête aurait une autre clé
event-id-unreadable = response.id contient un caractère illisible

## How an event or an action ended

ended-deleted = sa requête a été supprimée et le client n’a rien écrit de nouveau
ended-no-mapping = aucun mapping ne le veut
ended-no-case = aucune requête où le dire
ended-perimeter = hors du périmètre
ended-processed = Goodays tient déjà cet avis pour traité.
ended-operator = abandonné par un opérateur
ended-nobody = personne n’a décidé dans le délai de state.keep_parked
ended-command = la commande a été retirée par l’agent
ended-asked-again = l’agent l’a demandé de nouveau
ended-taken-back = retiré par l’agent
ended-unpublished = dépublié avant l’envoi
ended-deleted-before = supprimé avant l’envoi
ended-gone = dépublié, supprimé ou retiré avant l’envoi
ended-forgotten = oublié

## What the mapping does with an event

left-rule = laissé de côté, sa règle échoue : { $why }
left-unknown = laissé de côté : Salesforce ne montre pas ce champ
left-not-writeable = laissé de côté : l’utilisateur d’intégration ne peut pas l’écrire
left-shortened = raccourci aux { $length } caractères du champ
left-too-long = laissé de côté : plus de { $length } caractères, et sans valeur une fois coupé
left-name = laissé de côté : l’organisation n’a rien de ce nom
left-picklist = laissé de côté : la liste de sélection restreinte ne connaît pas la valeur
left-email = laissé de côté : ce n’est pas une adresse e-mail que Salesforce accepte
left-boolean = laissé de côté : ni vrai ni faux
left-number = laissé de côté : ce n’est pas un nombre
left-range = laissé de côté : plus de chiffres que le champ n’en a
left-date = laissé de côté : ce n’est pas une date
left-record = laissé de côté : ce n’est pas un identifiant d’enregistrement
left-not-nillable = laissé tel quel : le champ ne peut pas être vidé
left-ambiguous = laissé vide : plusieurs enregistrements ont le même identifiant externe ou la même adresse e-mail
left-not-told = laissé vide : Salesforce n’a pas dit à qui est la requête
left-other = changé ou laissé de côté : Salesforce l’a refusé auparavant ({ $code })
left-when = elle échoue : { $why } ; ce mapping n’est pris que si aucun autre `when` ne vaut
nothing-no-mapping = aucun mapping ne le veut : aucun `when` de case*.yaml ne vaut
nothing-perimeter = il est hors du périmètre : ni délégué ni d’un lieu de `goodays.places`
nothing-new = Salesforce a déjà tout
nothing-no-event = ce n’est pas un événement de Goodays : { $why } ; il serait mis de côté
rule-boolean = `when` doit donner vrai ou faux
rule-value = un champ demande une seule valeur, ceci donne un objet
rule-no-expression = ce n’est pas une expression
rule-steps = il faut trop d’étapes
rule-unknown-filter = filtre inconnu
rule-unknown-function = fonction inconnue
rule-unknown-test = test inconnu
rule-unknown-method = méthode inconnue
rule-include = un modèle de texte ne peut pas en inclure un autre
rule-argument = un argument manque
rule-arguments = trop d’arguments
rule-cannot = cela ne peut pas être calculé à partir de ces valeurs
rule-no-reason = aucune raison n’est connue
rule-mixed-order = un texte est ordonné par rapport à un nombre
rule-no-order = des valeurs sans ordre sont ordonnées
rule-answer = answer() demande `type` ou `id`, par exemple answer(type='nps')
rule-no-date = ce qui devrait être une date n’en est pas une
rule-format = cette date ne peut pas être écrite dans ce format
rule-zone = ce fuseau horaire n’existe pas
rule-zones = cette machine n’a pas de données de fuseaux horaires
rule-at = { $file }.yaml:{ $line } : { $why }

## Another instance works

elsewhere-door = l’instance { $leader } travaille : demander à sa porte d’administration, { $door }
elsewhere-leader = l’instance { $leader } travaille : lui demander
elsewhere-nobody = aucune instance ne travaille : réessayer dans quelques secondes
