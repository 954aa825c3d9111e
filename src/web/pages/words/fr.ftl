# Ce que disent les pages de la console, en français. Mêmes messages que dans en.ftl ; un test compare les deux.

## The frame

skip = Aller au contenu
nav-label = Pages
nav-overview = Vue d’ensemble
nav-feedback = Avis
nav-waiting = En attente d’un humain
nav-mappings = Mappings
nav-instances = Instances
other-language = English
log-in = Se connecter
log-out = Se déconnecter
footer = goodays-salesforce { $version }
back-to-overview = Vers la vue d’ensemble
cancel = Annuler
reload = Recharger

## Log-in

login-token = Jeton d’administration
login-hint = Il se trouve sous admin.token dans connector.yaml.
login-wrong = Ce n’est pas le jeton.
login-too-often = Trop d’essais manqués. Réessayer dans une minute.

## Messages

message-broken = L’état ne peut pas être lu
message-old-form = Ce formulaire est trop ancien. Revenir, recharger la page et l’envoyer de nouveau.
message-no-page = Cette page n’existe pas
message-too-long = Le formulaire n’a pas pu être lu : trop long, ou trop lent.

## Overview

overview-findings = Ce qui ne va pas
overview-well = Tout va bien.
something-changed = Quelque chose a changé.
overview-observe = goodays.actions est observe : rien n’est envoyé aux clients.
level-trouble = Panne
level-waits = En attente
since = depuis { $at }
retried = nouvel essai à { $at }
direction-in = De Goodays à Salesforce
direction-out = De Salesforce à Goodays
pending = En attente
oldest = Le plus ancien
parked = Mis de côté
done = Traités
unclear = Incertains
delivered = Livrés
last-hour = Dans la dernière heure
last-poll = Depuis la dernière lecture
unprocessed = Avis non traités
count = Nombre
dashboard = Selon Goodays
remotes = Systèmes distants
remote-trouble = en panne
remote-well = bien
budget = Appels à Salesforce en 24 heures
budget-ends = Au rythme actuel, ils seront épuisés à { $at }.
budget-polls = Au rythme actuel, les actions des agents ne seront plus lues dès { $at }.
budget-lasts = Au rythme actuel, ils suffisent pour un jour et plus.
budget-plot = Le dernier jour et le prochain
budget-description = { $used } appels sur { $allowed } permis.
budget-allowed = permis
budget-spent = utilisés
budget-ahead = prévision
last-day = Les dernières 24 heures
plot-in = Du webhook à la requête
plot-out = De l’action de l’agent au client
plot-outcomes = Ce qu’il en est advenu, par cinq minutes
plot-lasting = Durée moyenne et la plus longue en secondes, par cinq minutes.
plot-counts = Nombres par cinq minutes.
plot-mean = moyenne
plot-longest = la plus longue
plot-written = événements écrits
plot-delivered = actions livrées
plot-waits = de côté ou incertains

## Feedback

search = Chercher
search-label = Avis, numéro ou identifiant de requête, adresse e-mail, ou un numéro comme e12 ou a7
search-hint = Une adresse est comparée par son empreinte ; elle n’est ni enregistrée ni journalisée.
search-found = Trouvés : { $count }
search-nothing = Rien n’est connu sous ce nom.
search-trouble = Salesforce n’a pas pu être interrogé :
case = Requête
feedback-unknown = Rien n’est connu de cet avis
feedback-no-case = Il n’a pas encore de requête.
feedback-waits = Une partie attend un humain.
timeline = Chronologie
timeline-hint = Les heures sont celles du connecteur, sauf si une autre horloge est nommée. Les numéros d’appels sont aussi les siens : le journal les a sous « request », Salesforce ne les connaît pas. Après state.keep_events, les détails sont effacés.
took = durée { $span }
request = notre appel { $number }
mapping-version = mapping { $version }
words = Ce qui a été écrit
words-hint = C’est montré après ce clic, et le clic est journalisé.
words-show = Montrer
words-none = Rien n’est plus conservé.
said-customer = Client
said-brand = Marque
said-unknown = Inconnu

## Waiting

waiting-nothing = Rien n’attend un humain.
waiting-agents = Les agents le voient sur leurs requêtes et le règlent là.
waiting-why = Pourquoi
waiting-do = Que faire
waiting-since = Depuis
waiting-more = Et { $count } de plus.
waiting-unclear = Chacun demande son propre regard.
waiting-none-chosen = Rien n’a été choisi, ou cela n’attend plus
waiting-gone = Cela n’attend plus un humain
column-chosen = Choix
column-what = Quoi
column-response = Avis
column-do = Faire
choose = Choisir { $id }
event = événement
retry = Réessayer
items-of = Éléments : { $code }
again-one = Renvoyer { $id }
retry-one = Réessayer { $id }
retry-chosen = Réessayer les choisis
retry-all = Réessayer les { $count }
drop = Abandonner
drop-one = Abandonner { $id }
drop-chosen = Abandonner les choisis
drop-all = Abandonner les { $count }
drop-title = Abandonner ?
drop-sure = Ceux-ci seront abandonnés pour de bon : { $count }.
drop-yes = Abandonner
send-again = Renvoyer
again-title = Renvoyer ce qui est peut-être arrivé ?
again-warning = Le client le recevra peut-être deux fois. Regarder d’abord dans Goodays.
again-goodays = Goodays maintenant
again-unread = Il ne peut pas être lu :
again-state = État : { $state }.
again-listed = Il propose : { $actions }.
again-word = renvoyer
again-ask = Écrire « { $word } » pour l’envoyer.
again-wrong = C’était un autre mot. Rien n’a été envoyé.
again-done = C’est renvoyé
again-arrived = Goodays le montre : c’était arrivé, et rien n’a été envoyé
again-not-now = Goodays n’a pas pu être relu, donc rien n’a été fait

## Jobs

job-title = Travail en cours
job-running = { $done } sur { $total }
job-unknown = Ce travail n’est plus connu
job-broken = Il a été interrompu ; le journal dit pourquoi.
tally-retrying = Réessayés
tally-delivered = Ils étaient arrivés
tally-confirm = Incertains, laissés tels quels
tally-refused = Ils n’attendaient plus
tally-damaged = Abîmés et laissés : nul ne peut dire s’ils ont été envoyés ; les abandonner après un coup d’œil dans Goodays
tally-not_now = Goodays n’a pas pu être relu
tally-dropped = Abandonnés
tally-unclear = Incertains, laissés tels quels
job-compared = Avis comparés : { $done }
job-compared-to = Avis comparés : { $done }. La liste de Goodays en est aux avis du { $date } : { $percent } % de la période.
sweep-title = Manque-t-il quelque chose ?
sweep-hint = Les deux côtés sont comparés sur sweep.window : ce qu’aucun webhook n’a annoncé est récupéré. Rien n’est envoyé aux clients.
sweep-go = Comparer
sweep-not-here = Une autre instance travaille
tally-looked_at = Avis comparés
tally-missing = Ils manquaient dans Salesforce
tally-repaired = Ils sont récupérés
tally-unanswered = Réponses d’agents qui ne sont pas dans Goodays
tally-unreadable = Ils n’ont pas pu être lus
tally-without_end = Listes qui reviennent à une page déjà lue

## Mappings

mapping-in-force = La version { $version } est en vigueur depuis { $at }.
mapping-refused = La dernière modification est refusée
mistake-error = Erreur
mistake-warning = Avertissement
mistake-do = À faire : { $remedy }
mistake-exact = Le texte exact, en anglais :
mapping-files = Fichiers en vigueur
try = Essayer un événement
try-sample = Un exemple
try-stored = Ou un événement enregistré
try-pasted = Ou un événement collé (JSON)
try-as-new = Comme si rien n’en était connu
try-hint = Rien n’est envoyé. L’affichage d’un événement enregistré est journalisé.
try-go = Montrer ce qu’il écrit
try-unknown = Aucun événement de ce nom n’est conservé.
try-no-json = Ce n’est pas du JSON.
sample-response = Nouvel avis
sample-message = Le client écrit de nouveau
sample-delegated = Avis délégué
tried = Ce qu’il écrit
tried-event = Événement « { $event } » de { $id }
tried-nothing = Rien n’est écrit :
tried-changes = Modifie la requête { $id }
tried-makes = Crée : { $object }
tried-comment = Commentaire { $number }, { $bytes } octets sur 4 000
tried-more = D’autres messages suivent dans une autre transaction.
tried-not-as-said = Pas comme le disent les règles
tried-blank = Vide dans cet événement, donc non écrit : { $fields }
touched-title = Ce que actions.yaml ferait de l’existant
touched-hint = Les requêtes et commentaires de Salesforce sont lus ; rien n’est envoyé.
touched-go = Regarder
touched-cases = Requêtes
touched-comments = Commentaires
touched-looked-at = Examinés
touched-more = Tout n’a pas été lu : goodays-salesforce apply-actions --dry-run lit le reste.
touched-not-now = Salesforce ne peut pas être interrogé
empty = (vide)
column-field = Champ
column-value = Valeur
column-rule = Règle

## Instances

instances-one = Il y a une seule instance
instances-not-seen = Sans state.postgres, il ne peut pas y en avoir d’autre. Sinon, les instances sont montrées dès que la base de données a été interrogée.
instances-trouble = Cette instance ne peut pas interroger la base de données ; voici ce qu’elle savait en dernier.
instances-differ = Les instances suivent des mappings différents. Donner les mêmes fichiers à toutes.
instances-works = Celle qui travaille
instances-nobody = aucune
instances-epoch = Époque
instances-lease = Bail
instances-round-trip = Aller-retour vers la base de données
instances-this = (celle-ci)
instances-working = travaille
instances-hint = Une seule instance travaille à la fois ; les autres prennent les webhooks et attendent son bail. L’aller-retour est celui de cette instance. Chaque instance est interrogée à son adresse pour savoir si sa porte accepte.
column-instance = Instance
column-address = Porte d’administration
column-door = Webhooks
column-version = Version
column-mappings = Mappings
column-started = Démarrée
column-seen = Vue
door-accepts = acceptés
door-refuses = refusés
door-unasked = Elle ne peut pas être interrogée d’ici à cette adresse.
seen-ago = il y a { $span }
