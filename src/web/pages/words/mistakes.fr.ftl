# Ce que signifie chaque code d’une modification refusée, et que faire ; docs/checks.md dit la même chose en anglais. Un test compare ces codes
# avec la source. Les pages en anglais montrent le texte exact seul.

## YAML: all files

Y001-means = Le fichier est vide, contient un second document ou n’est pas du YAML.
Y001-do = Corriger l’endroit montré. Un texte qui contient { "{{ }}" }, `: ` ou ` #` se met entre guillemets doubles.
Y002-means = Une clé figure deux fois au même endroit : l’une des deux serait perdue.
Y002-do = N’en garder qu’une. Plusieurs règles pour un même champ forment une liste.
Y003-means = Cette clé n’est pas connue ici.
Y003-do = Prendre le nom proposé dans le texte exact.
Y004-means = Une clé nécessaire manque.
Y004-do = L’ajouter comme le montre le texte exact.
Y005-means = La valeur n’a pas la forme voulue : par exemple une liste au lieu d’un texte, ou un texte au lieu d’un nombre.
Y005-do = L’écrire sous la forme que montre le texte exact.
Y006-means = YAML prend une partie du texte pour autre chose : { "{{" } pour un groupe de clés, ` #` pour un commentaire, une virgule pour la fin.
Y006-do = Mettre le texte entier entre guillemets doubles.
Y007-means = Une espace insécable, une marque d’ordre des octets ou un autre caractère invisible se trouve où YAML attend une espace ordinaire ou rien.
Y007-do = L’effacer et taper une espace ordinaire.
Y008-means = Le fichier n’est pas en UTF-8, mais en Latin-1 (Windows-1252) ou en UTF-16 ; le texte exact nomme la ligne.
Y008-do = L’enregistrer en UTF-8.

## Mappings

M001-means = Le dossier des mappings ou l’un de ses fichiers manque, ou ne peut pas être lu.
M001-do = Corriger le chemin ou les droits de lecture ; le texte exact dit ce qui a manqué. Le dossier mappings/ livré avec le programme peut servir de point de départ.
M002-means = Un fichier `case*.yaml` placé avant prend tous les avis : celui-ci n’est jamais choisi.
M002-do = Donner un `when` au premier, ou un nom placé plus loin dans l’ordre alphabétique.
M003-means = Un fichier du dossier porte un nom qui n’est pas lu, comme une copie `case (1).yaml`.
M003-do = Supprimer la copie ou la renommer : `case.yaml` ou `case-NOM.yaml` (NOM en lettres, chiffres, `_` et `-`), `comment.yaml`, `actions.yaml`.
M004-means = Deux mappings de requête diffèrent dans `object`, `key` ou `marker`.
M004-do = Les rendre identiques : un avis est cherché avant que son mapping soit choisi.
M005-means = Un champ est rempli dans `case*.yaml` et aussi écrit par `feedback`.
M005-do = Prendre un autre champ pour l’un des deux.
M006-means = Ce mot n’est pas un choix possible ici, par exemple `do: spm`.
M006-do = Prendre l’un des mots proposés dans le texte exact.
M007-means = Une expression ne peut pas être lue.
M007-do = La corriger ; une expression s’écrit sans { "{{ }}" } autour.
M008-means = Un modèle de texte (template) ne peut pas être lu.
M008-do = Corriger l’endroit montré : un { "{{" } ou { "{%" } resté ouvert, un `endif` qui manque.
M009-means = Les données de Goodays n’ont pas ce nom.
M009-do = Prendre le nom proposé dans le texte exact ; docs/mappings.md donne tous les noms.
M010-means = Ce filtre n’existe pas.
M010-do = Prendre l’un de ceux que propose le texte exact.
M011-means = Cette fonction n’existe pas.
M011-do = Prendre l’une de celles que propose le texte exact.
M012-means = Ce test derrière `is` n’existe pas.
M012-do = Demander par exemple `is defined` ou `is none`.
M013-means = Ce nom existe, mais pas à cet endroit, par exemple `comment` dans `case.yaml`.
M013-do = Utiliser ce qui est connu ici ; pour une note, la mettre dans un champ de la requête et interroger ce champ.
M014-means = Deux intervalles d’un `map` se chevauchent.
M014-do = Déplacer une borne : les deux bornes font partie de l’intervalle.
M015-means = Les valeurs situées entre deux intervalles d’un `map` ne donnent rien.
M015-do = Fermer l’écart, ou ajouter `default:`.
M016-means = Une clé de `map` ressemble à un intervalle et n’en est pas un : `0-6`, `<7`, `9+`, `0 to 6`.
M016-do = Écrire `"0..6"`, `"..6"` ou `"9.."` ; un texte comme la réponse `18-25` prend ses propres guillemets : `"'18-25'"`.
M017-means = Un champ n’a pas de règle, ou une règle n’a pas de valeur, ou en a plus d’une parmi `from`, `template` et `value`.
M017-do = En écrire exactement une.
M018-means = Une règle n’est jamais atteinte : une autre avant elle vaut toujours.
M018-do = Placer la règle sans `when` en dernier.
M019-means = La même règle figure déjà ici.
M019-do = En supprimer une.
M020-means = `null`, `None` ou `nil` serait pris pour un texte ou un nom.
M020-do = Le mot est `none` ; pour ne rien écrire, retirer la règle ; si c’est le texte qui est voulu, le mettre entre guillemets.
M021-means = `answer` est appelé sans `type` ni `id`, ou n’est pas appelé du tout.
M021-do = Écrire `answer(type='nps')` ou `answer(id='12AB34')`.
M022-means = Goodays ne documente aucune question de ce type.
M022-do = Prendre celui que propose le texte exact ; s’il existe dans votre compte, rien à faire.
M023-means = Une expression échoue sur un événement d’exemple.
M023-do = Donner une valeur à ce qui peut manquer : `… | default(…)`.
M024-means = Un `when` ne donne ni oui ni non.
M024-do = Le comparer à quelque chose, ou demander `… is not none`.
M025-means = Un `map` porte sur une `value` fixe.
M025-do = Utiliser `from:`, ou retirer `map`.
M027-means = La clé est remplie à partir d’autre chose que `response.id`.
M027-do = Écrire `from: response.id`.
M028-means = Ce n’est pas le nom d’un champ ou d’une relation de Salesforce.
M028-do = Utiliser les noms d’API : `Goodays_Score__c`, `Store__r.Code__c`.
M029-means = Le connecteur écrit lui-même ce champ, ou une règle le remplit déjà.
M029-do = Le retirer de `fields`.
M030-means = Goodays ne prend pas cette clé avec cette action.
M030-do = La retirer.
M031-means = Une valeur est demandée comme dans un autre langage et resterait du texte : { "{ x }" }, { "{!x}" }, { "${x}" }, `%x%`, ou `response.place.name` seul.
M031-do = Écrire { "{{ x }}" } dans un `template`, ou `from:` ; un texte voulu tel quel se met dans { "{% raw %}" }.
M032-means = Un modèle de texte (template) ne contient pas de { "{{ }}" }, ou est vide.
M032-do = Pour un texte fixe, écrire `value:`.
M033-means = Des guillemets courbes entourent un texte sans guillemets droits : ils en feraient partie.
M033-do = Mettre des guillemets droits ; si les courbes sont voulus, mettre des droits autour d’eux.
M034-means = `\n`, `\t` ou `\r` hors de guillemets doubles reste tel quel.
M034-do = Mettre le texte entre guillemets doubles ; `\\n` y désigne les lettres mêmes.
M035-means = Deux fichiers ne diffèrent que par leur extension, `comment.yaml` et `comment.yml`.
M035-do = En supprimer un.
M036-means = Deux mappings de requête ont le même `when` : le second n’est jamais choisi.
M036-do = Supprimer la copie, ou donner à chacun son propre `when`.
M037-means = `author_email` mène à quelque chose qui n’est pas une adresse e-mail.
M037-do = Prendre `CreatedBy.Email` ou `LastModifiedBy.Email`.
M038-means = `feedback` n’a pas de champ pour un résultat : les agents ne l’apprendraient jamais.
M038-do = L’ajouter sous `feedback`.
M039-means = Une `value`, un `default` ou une valeur de `map` est vide.
M039-do = L’écrire, ou `null` pour ne rien écrire ; `value: ""` ne vide un champ qu’avec `clear: true`.
M040-means = `comments` dans actions.yaml n’a pas de `when` : des notes internes partiraient aux clients.
M040-do = Écrire `when: comment.IsPublished`, ou `when: "true"` pour tout envoyer.
M041-means = Salesforce ne documente aucun `UserType` de ce nom.
M041-do = Prendre celui que propose le texte exact ; s’il existe dans votre organisation, rien à faire.
M042-means = `comments.authors` est vide : personne ne pourrait répondre.
M042-do = `[Standard]` désigne les utilisateurs internes ; retirer la clé revient au même.
M043-means = `answer` sur la requête n’a pas de `case.command`, ou son `when` ne le lit pas : la réponse partirait encore et encore.
M043-do = Nommer le champ de commande et demander sa valeur : `when: "case.Goodays_Command__c == 'answer'"`.
M044-means = Un mapping de requête ou `feedback` écrit la commande ou l’approbation, que seuls les agents posent.
M044-do = Prendre un autre champ.
M045-means = Le `content` d’une réponse n’est que ce que le connecteur remplit lui-même : les clients recevraient leurs propres mots.
M045-do = Écrire `content: comment.CommentBody`, ou prendre un champ que les agents remplissent.
M046-means = `import` dans comment.yaml laisse de côté ce que les clients écrivent.
M046-do = Écrire `[customer, brand]` ou `[customer]`.
M047-means = Le texte d’un commentaire ne lit pas `message.content` : il ne dit rien de ce qui a été écrit.
M047-do = Prendre `message.content` ; `response.message` est le premier message.
M048-means = `match` ne donne ni `external_id` ni `email`.
M048-do = Nommer ce par quoi le client est retrouvé.
M049-means = Une expression ou un modèle de texte est trop long : des centaines de `or`, de `~`, de filtres ou de { "{% elif %}" }, ou des dizaines de parenthèses imbriquées.
M049-do = Prendre `x in ['a', 'b']` pour un texte parmi plusieurs, `map` pour un tableau, ou plusieurs règles avec `when`.
M050-means = Une comparaison, une clé de `map` ou un `remark_type` fixe n’est jamais égal à rien : `case.IsClosed == 'true'`, `answer(type='nps') == '7'`.
M050-do = Écrire la valeur comme le montre le texte exact : `case.IsClosed` seul, les nombres sans guillemets, les mots documentés à la lettre.
M051-means = Une méthode est appelée comme dans un autre langage, par exemple `case.Subject.startswith('SPAM')` : elle échoue à chaque fois.
M051-do = Écrire `case.Subject is startingwith('SPAM')`, `'SPAM' in case.Subject` ou `case.Subject | lower`.
M052-means = Un format de `date` n’a pas de `%`, comme `YYYY-MM-DD`, ou a une partie qui n’existe pas ; ou le fuseau horaire n’existe pas.
M052-do = Écrire par exemple `%Y-%m-%d` ou `%d.%m.%Y %H:%M` ; un fuseau s’appelle par exemple `Europe/Paris`.
M053-means = Deux éléments parmi `key`, `marker`, `case.command`, `case.approved` et les champs de `feedback` ont le même champ : ce qui est écrit pour l’un détruit l’autre.
M053-do = Donner à chacun son propre champ.

## What the org lacks when an edit is saved

S005-means = L’utilisateur d’intégration ne voit pas un objet de Salesforce.
S005-do = Lui donner l’accès en lecture dans l’ensemble d’autorisations, ou corriger le nom.
S006-means = L’utilisateur d’intégration ne voit aucun champ de ce nom.
S006-do = Lui donner l’accès en lecture, créer le champ ou corriger le nom.
S007-means = L’utilisateur d’intégration ne peut pas écrire un champ.
S007-do = Lui donner l’accès en modification ; la règle d’un champ de formule est à retirer.
S015-means = Le champ clé n’est pas un texte de 64 caractères, identifiant externe, unique et sensible à la casse ; ou le parent d’un commentaire ne mène pas à la requête.
S015-do = Changer le champ dans la configuration de Salesforce ; la clé empêche qu’un avis devienne deux requêtes.
S016-means = Le champ `marker` n’est pas une zone de texte longue, ou il est trop court.
S016-do = En faire une zone de texte longue de 131072 caractères.
S017-means = L’utilisateur d’intégration ne voit aucune relation de ce nom.
S017-do = Corriger le nom, ou donner l’accès en lecture.
S019-means = Un champ que lit actions.yaml n’est pas visible : les actions des agents ne seraient plus lues.
S019-do = Donner l’accès en lecture, ou corriger le nom.
S030-means = Salesforce écrit ce nom autrement : il ne serait jamais lu.
S030-do = L’écrire à la lettre.
