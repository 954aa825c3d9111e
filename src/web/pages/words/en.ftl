# What the console's pages say, in English. fr.ftl has the same messages; a test compares both.

## The frame

skip = Skip to the content
nav-label = Pages
nav-overview = Overview
nav-feedback = Feedback
nav-waiting = Waiting for a human
nav-mappings = Mappings
nav-instances = Instances
other-language = Français
log-in = Log in
log-out = Log out
footer = goodays-salesforce { $version }
back-to-overview = To the overview
cancel = Cancel
reload = Reload

## Log-in

login-token = Admin token
login-hint = It stands as admin.token in connector.yaml.
login-wrong = This is not the token.
login-too-often = Too many failed attempts. Try again in a minute.

## Messages

message-broken = The state cannot be read now
message-old-form = This form is too old. Go back, reload the page and send it again.
message-no-page = There is no such page
message-too-long = The form could not be read: it is too long, or it came too slowly.

## Overview

overview-findings = What is not as it should be
overview-well = All is well.
something-changed = Something changed.
overview-observe = goodays.actions is observe: nothing is sent to customers.
level-trouble = Trouble
level-waits = Waits
since = since { $at }
retried = tried again at { $at }
direction-in = Goodays to Salesforce
direction-out = Salesforce to Goodays
pending = Waiting
oldest = Oldest
parked = Parked
done = Done
unclear = Unclear
delivered = Delivered
last-hour = In the last hour
last-poll = Since the last poll
unprocessed = Unprocessed returns
count = Number
dashboard = Goodays counts
remotes = Remote systems
remote-trouble = in trouble
remote-well = well
budget = Calls to Salesforce in 24 hours
budget-ends = At the present rate they are used up at { $at }.
budget-polls = At the present rate agents’ actions are no longer read from { $at }.
budget-lasts = At the present rate they last for a day and more.
budget-plot = The last day and the next
budget-description = { $used } calls of { $allowed } allowed ones.
budget-allowed = allowed
budget-spent = spent
budget-ahead = forecast
last-day = The last 24 hours
plot-in = From the webhook to the Case
plot-out = From the agent’s action to the customer
plot-outcomes = How it ended, in five minutes each
plot-lasting = Mean and longest time in seconds, for each five minutes.
plot-counts = Numbers for each five minutes.
plot-mean = mean
plot-longest = longest
plot-written = events written
plot-delivered = actions delivered
plot-waits = parked or unclear

## Feedback

search = Search
search-label = Response, Case number or id, e-mail address, or a number such as e12 or a7
search-hint = An address is compared by its hash; it is neither stored nor logged.
search-found = Found: { $count }
search-nothing = Nothing is known by this name.
search-trouble = Salesforce could not be asked:
case = Case
feedback-unknown = Nothing is known of this feedback
feedback-no-case = It has no Case yet.
feedback-waits = Something of it waits for a human.
timeline = Timeline
timeline-hint = Times are this connector’s, unless another clock is named. The numbers of calls are its own as well: the log has them as “request”, Salesforce does not know them. After state.keep_events the details are gone.
took = took { $span }
request = our call { $number }
mapping-version = mapping { $version }
words = What people wrote
words-hint = It is shown after this click, and the click is in the log.
words-show = Show it
words-none = Nothing is kept any more.
said-customer = Customer
said-brand = Brand
said-unknown = Unknown

## Waiting

waiting-nothing = Nothing waits for a human.
waiting-agents = Agents see it on their Cases and settle it there.
waiting-why = Why
waiting-do = What to do
waiting-since = Since
waiting-more = And { $count } more.
waiting-unclear = Each needs a look of its own.
waiting-none-chosen = Nothing was chosen, or it does not wait any more
waiting-gone = It does not wait for a human any more
column-chosen = Choose
column-what = What
column-response = Feedback
column-do = Do
choose = Choose { $id }
event = event
retry = Retry
items-of = Items: { $code }
again-one = Send again { $id }
retry-one = Retry { $id }
retry-chosen = Retry the chosen ones
retry-all = Retry all { $count }
drop = Drop
drop-one = Drop { $id }
drop-chosen = Drop the chosen ones
drop-all = Drop all { $count }
drop-title = Give up?
drop-sure = These are given up for good: { $count }.
drop-yes = Drop them
send-again = Send again
again-title = Send again what may have arrived?
again-warning = The customer may get it twice. Look into Goodays first.
again-goodays = Goodays now
again-unread = It cannot be read:
again-state = State: { $state }.
again-listed = It lists: { $actions }.
again-word = send again
again-ask = Type “{ $word }” to have it sent.
again-wrong = That was another word. Nothing was sent.
again-done = It is sent again
again-arrived = Goodays shows it: it had arrived, and nothing was sent
again-not-now = Goodays could not be read back, so nothing was done

## Jobs

job-title = Work on many
job-running = { $done } of { $total }
job-unknown = This work is not remembered any more
job-broken = It broke off; the log says why.
tally-retrying = Tried again
tally-delivered = They had arrived
tally-confirm = Unclear and left alone
tally-refused = They did not wait any more
tally-damaged = Damaged and left: nobody can tell whether they were sent; drop them after a look into Goodays
tally-not_now = Goodays could not be read back
tally-dropped = Dropped
tally-unclear = Unclear and left alone
job-compared = Responses compared: { $done }
job-compared-to = Responses compared: { $done }. Goodays’ list has come to feedback of { $date }: { $percent } % of the period.
sweep-title = Is anything missing?
sweep-hint = Both sides are compared for sweep.window: what no webhook announced is fetched. Nothing is sent to customers.
sweep-go = Compare
sweep-not-here = Another instance works
tally-looked_at = Responses compared
tally-missing = They were missing in Salesforce
tally-repaired = They are fetched now
tally-unanswered = Answers of agents that are not in Goodays
tally-unreadable = They could not be read
tally-without_end = Lists that lead back to a page read before

## Mappings

mapping-in-force = Version { $version } is in force since { $at }.
mapping-refused = The last edit is refused
mistake-error = Error
mistake-warning = Warning
mistake-do = To do: { $remedy }
mistake-exact = The exact text, in English:
mapping-files = Files in force
try = Try an event
try-sample = A sample
try-stored = Or a stored event
try-pasted = Or a pasted one (JSON)
try-as-new = As if nothing of it were known yet
try-hint = Nothing is sent. That a stored event is shown is logged.
try-go = Show what it writes
try-unknown = No such event is kept.
try-no-json = This is no JSON.
sample-response = New feedback
sample-message = The customer writes again
sample-delegated = Delegated feedback
tried = What it writes
tried-event = Event “{ $event }” of { $id }
tried-nothing = Nothing is written:
tried-changes = Changes Case { $id }
tried-makes = Makes a { $object }
tried-comment = Comment { $number }, { $bytes } bytes of 4,000
tried-more = Further messages follow in a further transaction.
tried-not-as-said = Not as the rules say
tried-blank = Blank in this event, so not written: { $fields }
touched-title = What actions.yaml would do on what stands already
touched-hint = Cases and comments of Salesforce are read; nothing is sent.
touched-go = Look
touched-cases = Cases
touched-comments = Comments
touched-looked-at = Looked at
touched-more = Not all was read: goodays-salesforce apply-actions --dry-run reads the rest.
touched-not-now = Salesforce cannot be asked now
empty = (empty)
column-field = Field
column-value = Value
column-rule = Rule

## Instances

instances-one = There is one instance
instances-not-seen = Without state.postgres there can be no other one. With it, the instances are shown as soon as the database was asked.
instances-trouble = This instance cannot ask the database; what it knew last is shown.
instances-differ = The instances judge by different mappings. Bring the same files to all of them.
instances-works = The one that works
instances-nobody = nobody now
instances-epoch = Epoch
instances-lease = Lease
instances-round-trip = Round trip to the database
instances-this = (this one)
instances-working = works
instances-hint = One instance works at a time; the others take webhooks and wait for its lease. The round trip is that of this instance. Each instance is asked at its address whether its door accepts.
column-instance = Instance
column-address = Admin door
column-door = Webhooks
column-version = Version
column-mappings = Mappings
column-started = Started
column-seen = Seen
door-accepts = accepted
door-refuses = refused
door-unasked = It cannot be asked at this address from here.
seen-ago = { $span } ago
