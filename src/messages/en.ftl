# What agents read on a Case, and operators in the console, in English. fr.ftl has the same messages; a test compares both.

## The status

status-waiting = Waiting: { $action }
status-taken-back = Nothing was sent: it was taken back
status-sent = Sent: { $action }
status-settled = Nothing to send: already handled in Goodays
status-dropped = An operator gave it up ({ $action }): nothing more is sent
status-unclear = Unclear: please check in Goodays
status-failed = Not sent
status-observed = Would be sent: { $action }

action-answer = answer
action-reply = public reply
action-message = private message
action-call = call
action-close = close
action-spam = spam

## Why something waits

undo-public = Public reply goes out at { $time }. Unpublish the comment or empty the command to take it back.
undo-private = Private message goes out at { $time }. Unpublish the comment or empty the command to take it back.
needs-approval = The public reply waits until it is approved.
outage = Goodays cannot be reached since { $time }. It goes out by itself when Goodays is back: please do not answer a second time.
user-not-asked = Something on the way to Goodays refuses to look up the agent’s user there, and status tells an administrator. It goes out by itself when that is mended: please do not answer a second time.
goodays-refuses = Goodays accepts nothing from the connector since { $time }, and an administrator was told. It goes out by itself when Goodays accepts it again: please do not answer a second time.
behind-action = It waits: it is unclear whether another action of this Case reached Goodays. Somebody has to look at that one first.
not-polled = It waits: what agents do has not been read from Salesforce since { $time }, and an answer may have been given with it. It goes when that can be read again.
behind-answer = It waits: an answer on this Case was not sent, or it is unclear whether it was. Somebody has to look at that answer first.
answer-still-waits = Another answer on this Case waits.
call-still-waits = The call of this Case waits.
close-still-waits = The close of this Case waits.
spam-still-waits = The mark as spam of this Case waits.
rule-fails = A rule of the mapping cannot be evaluated ({ $rule }), so nothing was done with it. The administrator has to correct it; then do it once more.
unknown-command = The command “{ $value }” is not known, so nothing was done with it. Known are: { $known }.
command-does-not-fit = The command “{ $value }” is known, but no rule for it holds on this Case as it is, so nothing was done with it. Look at what the rule asks for besides, then choose it again.

## Why an answer is not sent

answer-empty = The answer is empty.
answered-by-other = Somebody else answered in Goodays first; this text was written as the public reply.
would-be-public = The text was meant as a private message, but Goodays takes only the public reply.
newer-feedback = The customer left newer feedback: please answer on Case { $case }.
is-spam = The feedback stands as spam in Goodays: it takes no answer.
closed-in-goodays = The feedback was closed in Goodays without an answer, and Goodays cannot open it again. It takes an answer after the customer writes; until then please reach the customer another way.
wait-for-customer = Goodays takes the next one after the customer writes.
no-answer-listed = Goodays lists no answer for this feedback at the moment.
still-takes = Goodays still takes: { $verbs }.
survivor-without-key = This Case took over a feedback by a merge, but Salesforce refuses the feedback's id on it ({ $code }): comments here do not reach the customer. Please answer in Goodays.
author-may-not = A user whose kind may not answer customers (comments.authors in actions.yaml) asked for this answer, or changed its text. An agent has to look at the text, and choose the command again.
author-unseen = It cannot be seen who wrote this: Salesforce does not show the user, or his kind (UserType), to the connector. The administrator lets the connector's user see all users (View All Users).
merged = This Case holds several feedbacks (merged), and it cannot be told which one the comment answers.
author-covered = It cannot be seen who asked for this, or who wrote the text: the connector itself changed the Case right afterwards. An agent has to look at the text, and choose the command again.
linked = Somebody put the feedback on this Case, and it cannot be told whether the comment was written for its customer or before, about another matter. Write it anew for the customer, or leave it.

## Why another action is not sent

not-listed = Goodays does not list "{ $verb }" for this feedback at the moment.
no-address = Goodays names "{ $verb }" for this feedback, but with no address: the connector takes that as not allowed.
call-not-carried = The call's note and rating did not travel: please enter them in Goodays.
not-reported-as-spam = It was not reported as spam: Goodays takes that only for feedback that nobody has handled.
rating-left-out = The call's rating was left out: Goodays takes 0 to 5.
remark-left-out = The type “{ $chosen }” did not travel: Goodays takes { $known }.
note-cut = The call's note was cut after { $max } characters.
close-changed = The type was chosen or changed after the feedback was closed in Goodays; it does not travel any more. Please enter it in Goodays.
call-changed = The call's note or rating was changed after it was sent; the change does not travel. Please enter it in Goodays.
hourly-limit = Held back: more than { $limit } actions in one hour. Somebody has to look and release them (goodays-salesforce retry --all --reason max_actions_per_hour).
breach-other-response = Held back, because it must never happen: it was decided by the view of another response. Please report it; nothing was sent.
breach-not-listed = Held back, because it must never happen: Goodays does not list the action. Please report it; nothing was sent.
observe-only = goodays.actions is observe: nothing was sent to the customer.

## What Goodays said

refused = Goodays refused it ({ $status }): { $message }
left-perimeter = Goodays does not show this feedback any more: it may have left the perimeter.
answer-too-large = Goodays' answer about this feedback is too large to read, or holds a value that cannot be read.
no-answer-here = Goodays gives no answer about this feedback, though it does about others.
does-not-arrive = Goodays gives no answer, and it does not arrive.
blocked = Something between the connector and Goodays refuses this text and lets others pass: a firewall, perhaps. Please answer in Goodays, or in other words.

## Why it is unclear

sent-before = It was sent before, and nobody can say whether it arrived.
may-be-ours = Goodays shows a new message of the brand that may be this one.
may-be-shown-later = Goodays does not take it any more, and does not show it: it may have arrived, and be shown later.
takes-further-messages = Goodays takes further messages whether this one arrived or not, and does not show it.
not-shown-any-more = Goodays does not show this feedback any more, so it cannot be read back.
not-read-back = Goodays could not be read back.
state-damaged = A part of the state was damaged on the disk: look in Goodays whether this was sent.

## Taken back and changed

gone = It was taken back, or the connector cannot see it any more; nothing was sent.
command-stood-before = The command was on the Case before the connector knew the Case; it may have been carried out already. Please check in Goodays, then choose it again.
answer-changed = The answer was changed after it was sent; the customer has the first text. To send the new text, choose the command again.
command-not-emptied = The command stays in { $field }: the connector cannot empty that field. Empty it yourself: before that, the same command does not count again.
answer-not-emptied = The answer stays in { $fields }, which the connector cannot empty; the customer has it.
approval-not-reset = The approval stays in { $field }: the connector cannot take it off. It counts for no other text: take it off yourself, and set it again for the next one.
comment-edited-after-sending = The comment was edited after it was taken over; the customer has the first text. Write a new comment to say more.
comment-edited = The comment was edited after it was taken over; the edit is not sent. Write a new comment to say more.

## Comments

continues-case = This continues Case { $case }, which was deleted.

## What an operator does about a parked item

advice-unclear = look in Goodays whether the customer got it, then `retry ID` (there) or `drop ID`
advice-wait-for-customer = nothing; when the customer has written, the agent writes anew, or `retry ID`
advice-closed-in-goodays = the agent reaches the customer another way; when the customer has written, `retry ID`; else `drop`
advice-blocked-on-the-way = look at the firewall on the way to Goodays, then `retry ID`; or the agent writes in other words
advice-answered-by-other = the agent reads the other answer; `drop`
advice-would-be-public = the agent decides whether everybody may read it and writes anew; `drop`
advice-newer-feedback = the agent answers on the Case that the reason names; `drop`
advice-empty = `drop`: the comment has no text
advice-spam = `drop`; if it is no spam, undo that in Goodays, then `retry`
advice-not-allowed = look in Goodays why it is not listed there; when it is, `retry`
advice-merged = answer in Goodays by hand; `drop`
advice-linked = written for this customer: `retry`; about another matter: `drop`
advice-author-may-not = the agent looks at the text and chooses the command again; `drop`
advice-author-unseen = give the integration user View All Users; an agent wrote it: `retry`; a customer: `drop`
advice-max-actions-per-hour = a mistake: `drop --all --reason max_actions_per_hour`; meant so: the same with `retry`
advice-no-answer = look at this response in Goodays; `retry` later
advice-status-403 = the shop has it again: `drop`. If all say so: the token's account changed
advice-unreadable = a test: `drop`. Else report it with `plan ID`; after an update `retry`
advice-invariant = report it; nothing was sent
advice-duplicate-elsewhere = give the integration user View All on Case (`check`); then `retry`
advice-field-custom-validation-exception = exempt the integration user from the validation rule, or fill what it wants; then `retry`
advice-required-field-missing = fill the field in the mapping; then `retry`
advice-duplicates-detected = exempt the integration user from the duplicate rule; then `retry`
advice-unable-to-lock-row = find what locks the Case (a mass update); then `retry`
advice-other = see docs/operations.md, Reasons; after mending `retry`

## What is not as it should be

finding-not-accepting = Webhooks are not accepted: { $why }
finding-salesforce = Salesforce is away or refuses. { $advice }
finding-goodays = Goodays is away or refuses. { $advice }
finding-poll = Agents’ actions are not read: { $why }
finding-users = Agents’ actions do not go out in their names: { $why }
finding-budget = Nine tenths of the day’s calls to Salesforce are used: agents’ actions wait, new feedback goes on.
finding-unclear = Actions whose outcome is not known: { $count }. Look in Goodays before anything is sent again.
finding-parked = Waiting for an operator: { $count }.
finding-sweep = The sweep does not get through: { $why }. Feedback that no webhook announced is not found meanwhile; `goodays-salesforce sweep` tries it now.
finding-mapping = The edited mapping files are refused; the version before goes on.
finding-rule = A rule of actions.yaml cannot be evaluated ({ $rule }), so agents’ actions are not carried out: correct it, then see `apply-actions --dry-run`.
finding-configuration = The edited connector.yaml is refused; what was read before goes on.
finding-secrets = A file of a secret cannot be used: `status` names it. What was read before goes on, but a restart would fail.
finding-restart = Edited keys of connector.yaml wait for a restart: { $keys }.

## What happened to a feedback

timeline-received = Goodays sent the event “{ $event }”; it was stored before it was acknowledged.
timeline-waits = It waits for Salesforce (attempts: { $attempts }); it is tried again then.
timeline-planned = What it writes was planned.
timeline-called = Salesforce was called; comments of this feedback in the call: { $comments }.
timeline-created = The Case was created.
timeline-updated = The Case was updated.
timeline-unchanged = Salesforce had all of it already.
timeline-skipped = Nothing was written: { $why }.
timeline-parked = It waits for a human ({ $code }).
timeline-dropped = An operator dropped it.
timeline-seen = An agent’s { $action } was seen; the agent acted at { $acted } by Salesforce’s clock.
timeline-looked = Goodays was read: it may be sent.
timeline-sending = The PUT to Goodays is on its way.
timeline-sent = The PUT to Goodays has ended; what Goodays shows afterwards decides.
timeline-not-done = Goodays did nothing of the PUT; it is sent again.
timeline-found = Read back: Goodays shows it.
timeline-not-found = Read back: Goodays does not show it.
timeline-cannot-be-told = Read back: it cannot be told whether it arrived.
timeline-retried = An operator had it tried again.
timeline-ready = It may be sent from then on.
timeline-unclear = It may have reached the customer or not: a human decides.
timeline-delivered = The customer has it ({ $verb }).
timeline-settled = Nothing is sent: { $why }
timeline-cancelled = Taken back before it was sent: { $why }
timeline-observed = It would have been sent ({ $verb }); goodays.actions is observe.
timeline-told = The Case tells the agent: { $code } ({ $action }).

action-damaged = The record of this action is damaged on the disk. Nobody can tell whether it was sent: look into Goodays, then drop it.

## Alerts

finding-budget-forecast = At the present rate the calls to Salesforce are used up at { $time }.
finding-silent = No webhooks from Goodays, in hours that usually have some: is the webhook still set up there, and does the proxy let it through?
alert-begins = goodays-salesforce:
alert-over = goodays-salesforce, over again:
alert-test = goodays-salesforce: this is a test. Alerts arrive here.
