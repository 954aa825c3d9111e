# Ce que les agents lisent sur une requête, en français. Mêmes messages que dans en.ftl ; un test compare les deux.

## Le statut

status-waiting = En attente : { $action }
status-taken-back = Rien n’a été envoyé : l’action a été annulée
status-sent = Envoyé : { $action }
status-settled = Rien à envoyer : déjà traité dans Goodays
status-dropped = Un opérateur y a renoncé ({ $action }) : rien de plus n’est envoyé
status-unclear = Incertain : merci de vérifier dans Goodays
status-failed = Non envoyé
status-observed = Serait envoyé : { $action }

action-answer = réponse
action-reply = réponse publique
action-message = message privé
action-call = appel
action-close = clôture
action-spam = indésirable

## Pourquoi une action attend

undo-public = La réponse publique part à { $time }. Pour l’annuler, dépubliez le commentaire ou videz la commande.
undo-private = Le message privé part à { $time }. Pour l’annuler, dépubliez le commentaire ou videz la commande.
needs-approval = La réponse publique attend une approbation.
outage = Goodays est injoignable depuis { $time }. L’envoi se fera tout seul dès son retour : merci de ne pas répondre une deuxième fois.
user-not-asked = Quelque chose sur le chemin de Goodays refuse d’y rechercher l’utilisateur de l’agent ; l’état le signale à l’administrateur. L’envoi se fera tout seul une fois cela corrigé : merci de ne pas répondre une deuxième fois.
goodays-refuses = Goodays n’accepte plus rien du connecteur depuis { $time }, et un administrateur en est averti. L’envoi se fera tout seul dès que ce sera rétabli : merci de ne pas répondre une deuxième fois.
behind-action = En attente : on ne sait pas si une autre action de cette requête est arrivée dans Goodays. Quelqu’un doit d’abord regarder celle-là.
not-polled = En attente : ce que font les agents n’est plus lu dans Salesforce depuis { $time }, et une réponse a pu être donnée en même temps. L’action part dès que la lecture reprend.
behind-answer = En attente : une réponse sur cette requête n’a pas été envoyée, ou on ne sait pas si elle l’a été. Quelqu’un doit d’abord examiner cette réponse.
answer-still-waits = Une autre réponse sur cette requête est en attente.
call-still-waits = L’appel de cette requête est en attente.
close-still-waits = La clôture de cette requête est en attente.
spam-still-waits = Le signalement comme spam de cette requête est en attente.
rule-fails = Une règle du mapping ne peut pas être évaluée ({ $rule }) : rien n’a été fait. L’administrateur doit la corriger ; ensuite, refaites-le.
unknown-command = La commande « { $value } » est inconnue : rien n’a été fait. Commandes connues : { $known }.
command-does-not-fit = La commande « { $value } » est connue, mais aucune de ses règles ne s’applique à la requête dans son état actuel : rien n’a été fait. Vérifiez ce que la règle demande d’autre, puis choisissez-la à nouveau.

## Pourquoi une réponse n’est pas envoyée

answer-empty = La réponse est vide.
answered-by-other = Quelqu’un a déjà répondu dans Goodays ; ce texte était prévu comme réponse publique.
would-be-public = Ce texte était prévu comme message privé, mais Goodays n’accepte que la réponse publique.
newer-feedback = Le client a laissé un avis plus récent : merci de répondre sur la requête { $case }.
is-spam = L’avis est classé comme indésirable dans Goodays : il n’accepte aucune réponse.
closed-in-goodays = L’avis a été clos dans Goodays sans réponse, et Goodays ne peut pas le rouvrir. Une réponse sera possible quand le client aura écrit ; d’ici là, merci de joindre le client autrement.
wait-for-customer = Goodays acceptera la prochaine réponse quand le client aura écrit.
no-answer-listed = Goodays n’accepte aucune réponse à cet avis pour le moment.
still-takes = Goodays accepte encore : { $verbs }.
survivor-without-key = Cette requête a repris un avis par une fusion, mais Salesforce y refuse l'identifiant de l'avis ({ $code }) : les commentaires d'ici n'atteignent pas le client. Veuillez répondre dans Goodays.
author-may-not = Un utilisateur dont le type ne permet pas de répondre aux clients (comments.authors dans actions.yaml) a demandé cette réponse, ou en a changé le texte. Un agent doit regarder le texte, puis choisir de nouveau la commande.
author-unseen = On ne voit pas qui l’a écrit : Salesforce ne montre pas l’utilisateur, ou son type (UserType), au connecteur. L’administrateur permet à l’utilisateur du connecteur de voir tous les utilisateurs (View All Users).
merged = Cette requête réunit plusieurs avis (fusion), et rien ne dit auquel le commentaire répond.
author-covered = On ne voit pas qui a demandé cette réponse, ou écrit son texte : le connecteur a lui-même modifié la requête juste après. Un agent doit regarder le texte, puis choisir de nouveau la commande.
linked = Quelqu’un a mis l’avis sur cette requête, et rien ne dit si le commentaire a été écrit pour son client ou avant, sur un autre sujet. Écrivez-le de nouveau pour le client, ou laissez-le.

## Pourquoi une autre action n’est pas envoyée

not-listed = Goodays ne propose pas « { $verb } » pour cet avis en ce moment.
no-address = Goodays nomme « { $verb } » pour cet avis, mais sans adresse : le connecteur considère que ce n’est pas autorisé.
call-not-carried = La note et l’évaluation de l’appel n’ont pas été transmises : merci de les saisir dans Goodays.
not-reported-as-spam = L’avis n’a pas été signalé comme indésirable : Goodays ne l’accepte que pour un avis que personne n’a traité.
rating-left-out = L’évaluation de l’appel n’a pas été transmise : Goodays accepte de 0 à 5.
remark-left-out = Le type « { $chosen } » n’a pas été transmis : Goodays accepte { $known }.
note-cut = La note de l’appel a été coupée après { $max } caractères.
close-changed = Le type a été choisi ou modifié après la clôture de l’avis dans Goodays ; il n’est plus transmis. Merci de le saisir dans Goodays.
call-changed = La note ou l’évaluation de l’appel a été modifiée après l’envoi ; la modification n’est pas transmise. Merci de la saisir dans Goodays.
hourly-limit = Retenu : plus de { $limit } actions en une heure. Une vérification est nécessaire avant l’envoi (goodays-salesforce retry --all --reason max_actions_per_hour).
breach-other-response = Retenu, car cela ne doit jamais arriver : la décision repose sur un autre avis. Merci de le signaler ; rien n’a été envoyé.
breach-not-listed = Retenu, car cela ne doit jamais arriver : Goodays ne propose pas cette action. Merci de le signaler ; rien n’a été envoyé.
observe-only = goodays.actions vaut observe : rien n’a été envoyé au client.

## Ce que Goodays a dit

refused = Goodays a refusé ({ $status }) : { $message }
left-perimeter = Goodays ne montre plus cet avis : il a peut-être quitté le périmètre.
answer-too-large = La réponse de Goodays au sujet de cet avis est trop volumineuse pour être lue, ou contient une valeur illisible.
no-answer-here = Goodays ne répond pas au sujet de cet avis, mais répond pour les autres.
does-not-arrive = Goodays ne répond pas, et l’envoi n’aboutit pas.
blocked = Entre le connecteur et Goodays, quelque chose bloque ce texte et laisse passer les autres : un pare-feu, peut-être. Merci de répondre dans Goodays, ou avec d’autres mots.

## Pourquoi c’est incertain

sent-before = Un envoi a déjà eu lieu, et nul ne peut dire s’il est arrivé.
may-be-ours = Goodays montre un nouveau message de la marque qui peut être celui-ci.
may-be-shown-later = Goodays ne l’accepte plus et ne le montre pas : il est peut-être arrivé et apparaîtra plus tard.
takes-further-messages = Goodays accepte d’autres messages, que celui-ci soit arrivé ou non, et ne le montre pas.
not-shown-any-more = Goodays ne montre plus cet avis : impossible de le relire.
not-read-back = Goodays n’a pas pu être relu.
state-damaged = Une partie de l’état a été endommagée sur le disque : regardez dans Goodays si cela a été envoyé.

## Annulé ou modifié

gone = L’action a été annulée, ou le connecteur ne peut plus la voir ; rien n’a été envoyé.
command-stood-before = La commande se trouvait sur la requête avant que le connecteur ne la connaisse ; elle a peut-être déjà été exécutée. Merci de vérifier dans Goodays, puis de la choisir à nouveau.
answer-changed = La réponse a été modifiée après l’envoi ; le client a reçu le premier texte. Pour envoyer le nouveau, choisissez à nouveau la commande.
command-not-emptied = La commande reste dans { $field } : le connecteur ne peut pas vider ce champ. Videz-le vous-même : d’ici là, la même commande ne compte pas à nouveau.
answer-not-emptied = La réponse reste dans { $fields }, que le connecteur ne peut pas vider ; le client l’a reçue.
approval-not-reset = L’approbation reste dans { $field } : le connecteur ne peut pas la retirer. Elle ne vaut pour aucun autre texte : retirez-la vous-même, puis posez-la à nouveau pour le suivant.
comment-edited-after-sending = Le commentaire a été modifié après sa prise en charge ; le client a reçu le premier texte. Écrivez un nouveau commentaire pour en dire plus.
comment-edited = Le commentaire a été modifié après sa prise en charge ; la modification n’est pas envoyée. Écrivez un nouveau commentaire pour en dire plus.

## Commentaires

continues-case = Suite de la requête { $case }, qui a été supprimée.

## Ce que fait l’exploitant d’un élément en attente

advice-unclear = regarder dans Goodays si le client l’a reçu, puis `retry ID` (il y est) ou `drop ID`
advice-wait-for-customer = rien ; quand le client aura écrit, l’agent écrira de nouveau, ou `retry ID`
advice-closed-in-goodays = l’agent joint le client autrement ; quand le client aura écrit, `retry ID` ; sinon `drop`
advice-blocked-on-the-way = vérifier le pare-feu sur le chemin vers Goodays, puis `retry ID` ; ou l’agent écrit autrement
advice-answered-by-other = l’agent lit l’autre réponse ; `drop`
advice-would-be-public = l’agent décide si tout le monde peut le lire et écrit de nouveau ; `drop`
advice-newer-feedback = l’agent répond sur la requête que le motif nomme ; `drop`
advice-empty = `drop` : le commentaire est vide
advice-spam = `drop` ; si c’est une erreur, corriger dans Goodays, puis `retry`
advice-not-allowed = chercher dans Goodays pourquoi cela n’y est pas proposé ; dès que oui, `retry`
advice-merged = répondre à la main dans Goodays ; `drop`
advice-linked = écrit pour ce client : `retry` ; sur un autre sujet : `drop`
advice-author-may-not = l’agent regarde le texte et choisit de nouveau la commande ; `drop`
advice-author-unseen = donner View All Users à l’utilisateur d’intégration ; écrit par un agent : `retry` ; par un client : `drop`
advice-max-actions-per-hour = une erreur : `drop --all --reason max_actions_per_hour` ; voulu : la même commande avec `retry`
advice-no-answer = regarder cet avis dans Goodays ; `retry` plus tard
advice-status-403 = le magasin l’a repris : `drop`. Si tous le disent : le compte du jeton a changé
advice-unreadable = un essai : `drop`. Sinon le signaler avec `plan ID` ; après une mise à jour, `retry`
advice-invariant = à signaler ; rien n’a été envoyé
advice-duplicate-elsewhere = donner View All sur Case à l’utilisateur d’intégration (`check`) ; puis `retry`
advice-field-custom-validation-exception = exempter l’utilisateur d’intégration de la règle de validation, ou remplir le champ demandé ; puis `retry`
advice-required-field-missing = remplir le champ dans le mapping ; puis `retry`
advice-duplicates-detected = exempter l’utilisateur d’intégration de la règle de doublons ; puis `retry`
advice-unable-to-lock-row = trouver ce qui verrouille la requête (une mise à jour en masse) ; puis `retry`
advice-other = voir docs/operations.md, Reasons ; après réparation, `retry`

## Ce qui ne va pas

finding-not-accepting = Les webhooks ne sont pas acceptés : { $why }
finding-salesforce = Salesforce est injoignable ou refuse. { $advice }
finding-goodays = Goodays est injoignable ou refuse. { $advice }
finding-poll = Les actions des agents ne sont pas lues : { $why }
finding-users = Les actions des agents ne partent pas à leur nom : { $why }
finding-budget = Neuf dixièmes des appels du jour à Salesforce sont utilisés : les actions des agents attendent, les nouveaux avis passent.
finding-unclear = Actions dont le résultat est inconnu : { $count }. Regarder dans Goodays avant tout nouvel envoi.
finding-parked = En attente d’un exploitant : { $count }.
finding-sweep = Le balayage n’aboutit pas : { $why }. Les avis qu’aucun webhook n’a annoncés ne sont pas trouvés ; `goodays-salesforce sweep` réessaie tout de suite.
finding-mapping = Les fichiers de mapping modifiés sont refusés ; la version précédente continue.
finding-rule = Une règle d’actions.yaml ne peut pas être évaluée ({ $rule }) : les actions des agents ne sont pas exécutées. La corriger, puis voir `apply-actions --dry-run`.
finding-configuration = Le connector.yaml modifié est refusé ; ce qui a été lu avant continue.
finding-secrets = Le fichier d’un secret n’est pas utilisable : `status` le nomme. Ce qui a été lu avant continue, mais un redémarrage échouerait.
finding-restart = Clés modifiées de connector.yaml en attente d’un redémarrage : { $keys }.

## Ce qui est arrivé à un avis

timeline-received = Goodays a envoyé l’événement « { $event } » ; il a été enregistré avant l’accusé de réception.
timeline-waits = Il attend Salesforce (essais : { $attempts }) ; prochain essai à ce moment.
timeline-planned = Ce qu’il écrit a été planifié.
timeline-called = Salesforce a été appelé ; commentaires de cet avis dans l’appel : { $comments }.
timeline-created = La requête a été créée.
timeline-updated = La requête a été mise à jour.
timeline-unchanged = Salesforce avait déjà tout.
timeline-skipped = Rien n’a été écrit : { $why }.
timeline-parked = Il attend un humain ({ $code }).
timeline-dropped = Un exploitant l’a abandonné.
timeline-seen = Action d’un agent vue : { $action } ; l’agent a agi à { $acted } selon l’horloge de Salesforce.
timeline-looked = Goodays a été lu : l’envoi est permis.
timeline-sending = Le PUT vers Goodays est en route.
timeline-sent = Le PUT vers Goodays est terminé ; ce que Goodays montre ensuite décide.
timeline-not-done = Goodays n’a rien fait du PUT ; nouvel envoi.
timeline-found = Relecture : Goodays le montre.
timeline-not-found = Relecture : Goodays ne le montre pas.
timeline-cannot-be-told = Relecture : impossible de dire si c’est arrivé.
timeline-retried = Un exploitant a demandé un nouvel essai.
timeline-ready = L’envoi est possible à partir de là.
timeline-unclear = Le client l’a peut-être reçu, ou non : un humain décide.
timeline-delivered = Le client l’a reçu ({ $verb }).
timeline-settled = Rien n’est envoyé : { $why }
timeline-cancelled = Annulé avant l’envoi : { $why }
timeline-observed = Aurait été envoyé ({ $verb }) ; goodays.actions est observe.
timeline-told = La requête dit à l’agent : { $code } ({ $action }).

action-damaged = L’enregistrement de cette action est abîmé sur le disque. Nul ne peut dire si elle a été envoyée : regarder dans Goodays, puis l’abandonner.

## Alertes

finding-budget-forecast = Au rythme actuel, les appels à Salesforce seront épuisés à { $time }.
finding-silent = Aucun webhook de Goodays, à des heures qui en ont d’habitude : le webhook y est-il encore configuré, et le proxy le laisse-t-il passer ?
alert-begins = goodays-salesforce :
alert-over = goodays-salesforce, c’est terminé :
alert-test = goodays-salesforce : ceci est un essai. Les alertes arrivent ici.
