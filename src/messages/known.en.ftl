# English sentences of ours that are stored, or handed on, as text: by earlier versions, and where no language is known.
# Nothing says them from here: a text of this form is found again and said in the language of who reads it. The source has the same
# words; a test compares both.

## A remote does not work

trouble-daily-limit = The org's daily API limit is used up; it is tried again now and then. See Setup, System Overview, API usage.
trouble-budget = This connector's own budget (salesforce.api_calls_per_day) is used up; it goes on as soon as calls of the last 24 hours expire.
trouble-busy = It asks to come later.
trouble-not-sent = It cannot be reached: check the address and the network.
trouble-no-answer = It does not answer as it should; nothing is lost meanwhile.
trouble-road = Something on the way answers in its place, or its address has moved: check proxies, firewalls and the address; nothing is lost meanwhile.
trouble-session-over = The session ended; the next call logs in again.
trouble-store = Our own store does not work.
trouble-refused = It refuses with status { $status }.
trouble-other-org = This state belongs to the Salesforce org { $ours }, the login leads to { $found }: nothing is sent there. A copied sandbox must not write to customers: use a state folder of its own (state.path), or the right login.
trouble-other-account = This state belongs to another Goodays account than the token: use a state folder of its own (state.path), or the right token.
trouble-token = Goodays does not accept the token (status { $status }): check goodays.token with Goodays
trouble-token-letters = goodays.token holds a character that no header can carry
trouble-base-url = goodays.base_url is no http address
trouble-session-refused = Salesforce refuses the session that it has just given: check the app's scope (api), API access and the session policies of the integration user
trouble-redirect = Salesforce answers with a redirect, which is never followed: check salesforce.login_url (the org's My Domain address) and the proxies on the way
trouble-no-api = Salesforce does not let the integration user use the REST API: check the app's scope (api), API access, and IP restrictions ({ $code })
trouble-every-write = Salesforce refuses every write (status { $status } { $code }): check salesforce.api_version, and what the integration user may do
trouble-every-action = Goodays shows what it is asked for and refuses every action ({ $code }): check with Goodays whether the token's account may still answer, and proxies on the way. Nothing more is parked for it; one action is tried now and then, and all go out by themselves as soon as one is accepted.
trouble-admin = Salesforce refuses every write of this kind with { $code }: an admin has to look at the org.
trouble-key-field = The Case field { $field } cannot be written ({ $code }): deploy the fields and the permission set in salesforce/, and assign the set to the connector's user.
trouble-bad-name = { $name }: correct the mapping
trouble-poll = Salesforce refuses the poll's query with { $code }; run `check`
trouble-rows = Salesforce holds records that are too large to read, and what agents do on them is not seen: { $records }; shorten their texts
trouble-page = The answer to the smallest query of a poll is too large to read: check what answers in Salesforce's place
trouble-user-not-asked = something on the way to Goodays refuses the look-up of an agent's user, so his actions wait: check the proxies and firewalls on the way
trouble-default-user = Goodays does not take the user of goodays.default_user, so actions of agents without a user of their own go out as the account: correct it
trouble-not-shown = Salesforce refuses to show answers before they are sent, with { $code }: they wait; run `check`
trouble-login-redirect = salesforce.login_url answers with a redirect: use the org's My Domain address
trouble-no-roots = { $why }; this machine has no CA certificates: install the package ca-certificates, or name a file of them in SSL_CERT_FILE, and start again
trouble-private-key = salesforce.auth.private_key_file holds no RSA private key in PEM form
trouble-instance-url = Salesforce's login names an instance_url that is not Salesforce's: check salesforce.login_url

## Salesforce refuses the login; the code stands behind

login-secret = check salesforce.auth.client_secret: it is wrong or missing ({ $code })
login-client = check salesforce.auth.client_id: Salesforce does not know it (a new app needs about ten minutes) ({ $code })
login-app = the app is not installed in this org: check salesforce.login_url ({ $code })
login-flow = enable the flow of salesforce.auth.flow in the app's settings ({ $code })
login-permission = assign the app's permission set to the integration user ({ $code })
login-user = activate the integration user ({ $code })
login-org = the org is not active ({ $code })
login-domain = use the org's My Domain address as salesforce.login_url ({ $code })
login-run-as = set the Run-As user in the app's client credentials policy ({ $code })
login-approve = pre-authorise the integration user for the app (permission set) ({ $code })
login-audience = check salesforce.auth.audience (a sandbox has https://test.salesforce.com) ({ $code })
login-clock = check this machine's clock: the signed assertion counts as expired ({ $code })
login-certificate = check salesforce.auth.private_key_file: the app has another certificate ({ $code })
login-failure = check the integration user: name, lock, and IP restrictions ({ $code })
login-other = Salesforce refuses the login: check the app and the integration user ({ $code })
login-rate = Salesforce limits the rate of logins
login-busy = Salesforce's login answered { $status }
login-no-answer = the login answered { $status }
login-unreadable = the login's answer cannot be read

## A call failed

failure-not-sent = not sent: { $why }
failure-busy = busy: { $why }
failure-refused = refused with status { $status }
failure-no-answer = no answer: { $why }
failure-road = the way there is disturbed: { $why }
failure-session = the session is over: { $why }
failure-store = our own store: { $why }
failure-budget = the budget of Salesforce calls is used up
failure-out-of-reach = it was out of reach a moment ago
failure-status = status { $status }, and not Goodays' own words
failure-status-all = status { $status } for every response
failure-status-other = status { $status } that is not Salesforce's
failure-page = a page with status { $status }
failure-no-json = an answer that is not JSON, or was cut
failure-too-long = an answer too long to read
failure-behind = a response too large to read, and no word of the page behind it
failure-too-many = an answer with too many values to read
failure-other-response = another response than the one asked for
failure-within = it ended within a call
failure-other-user = the login has another Salesforce user than before
failure-login-over = it ended, and the login failed
failure-rate = Goodays limits the rate of calls
failure-status-plain = status { $status }
failure-then = status { $status }, and then { $why }
failure-unreadable = unreadable: { $why }
failure-users = a list of users without end
failure-dashboard = a dashboard without its counts
failure-list = an answer that is no list
failure-user = a user without an id
failure-nothing = no response is shown any more
failure-listed = status { $status } for a response that is listed
failure-value = an answer with a value that cannot be read
failure-away = Goodays is away for a while (status 503)
failure-dates = answers whose Date headers contradict each other
failure-next = a next page that is no address
failure-figures = statistics without their figures
failure-describe = a describe without fields
failure-steps = an answer without all of its steps
failure-step = an answer without a step
failure-graphs = an answer without all of its graphs, or with one that contradicts itself
failure-query = a query's answer that cannot be read
failure-circle = a query's pages that lead back to one read before
failure-rows = a query's pages that repeat the same rows
failure-poll = a poll's pages that repeat the same rows

## The store

store-broken = the disk refused a write ({ $why }); nothing is accepted until a restart: check the disk and its space
store-space = only { $free } bytes are free where the state lives, { $floor } must stay free: make room or enlarge the disk
store-rebuild = the database is damaged ({ $why }): the process ends, and the next start makes it anew from the journals
store-damaged = a stored record is damaged: { $why }
store-unreadable = the store cannot be read: { $why }
store-unavailable = the database does not answer: { $why }
store-term = another instance has taken over the work
store-no-answer = no answer within { $limit }
store-late = no answer in time
store-stalls = it has not answered for { $count } s
store-queue = too many webhooks wait
store-closing = it is being closed
store-deadlock = statements waited for each other
store-session = the session has lost its statements ({ $why }): behind PgBouncer use pool_mode = session
store-schema = its schema has version { $found }, this program knows { $known }
store-journals = the journals: { $why }
store-empty = it is empty
store-version = it has the unknown version { $version }
store-record = it cannot be read: { $why }
store-form = its form is unknown
store-part = a part of it is missing
store-hash = its parts do not have the hash of the whole
store-checksum = it does not have its checksum
store-block = a block is cut off

## Why an event is parked

parked-no-response = it names no response
parked-unreadable = the stored event cannot be read: { $why }
parked-no-text = it is not UTF-8
parked-no-json = it is not JSON that can be held
parked-messages = the event holds more than { $count } messages
parked-values = the event holds more than { $count } values
parked-crashed = working on it ended the process three times; `retry` tries it again
parked-no-bytes = The bytes of this event are damaged on the disk. Let Goodays send it again, or sweep: what is missing is found there.
parked-damaged = What is kept of this event is damaged; its bytes may be readable: try it again, or drop it.
parked-duplicate = Salesforce says that the key exists already, but no Case with it can be seen: give the connector's user access to all Cases (View All), or look for a Case that it cannot see.
parked-refused = Salesforce refuses it with { $code }: { $why }
parked-refused-mute = no reason given
parked-refused-field = Salesforce refuses it with { $code } { $field }
parked-refused-vital = Salesforce refuses it with { $code } for { $field }, which no Case can do without.
parked-limits = Salesforce refuses it with { $code }, even alone: it meets the org's own limits.
parked-kept = Salesforce kept refusing it with { $code }.
parked-breach = Held back, because it must never happen: { $breach }. Please report it; nothing was sent.
breach-marker = comments would be written without the marker that proves them
breach-key = a Case would be made without its key
breach-other-case = the Case of another response would be written
event-object = { $what } is missing or no object
event-no-id = response.id is missing, or neither a text nor an integer
event-id-empty = response.id is empty
event-id-long = response.id has { $length } characters, the Case's key field holds { $most }
event-id-control = response.id holds a control character
event-id-blank = response.id begins or ends with a blank, which the Case's key field does not keep
event-id-dots = response.id is a path segment of dots
event-id-slash = response.id holds a slash: it cannot stand in the path of a Goodays call
event-id-reserved = response.id is a path of the Goodays API itself
event-id-reference = response.id holds `{ $sign }`, which Salesforce reads as a reference: its Case would have another key
event-id-unreadable = response.id holds a character that cannot be read

## How an event or an action ended

ended-deleted = its Case was deleted and the customer wrote nothing new
ended-no-mapping = no mapping wants it
ended-no-case = no Case to tell it on
ended-perimeter = outside the perimeter
ended-processed = Goodays has this feedback as processed already.
ended-operator = dropped by an operator
ended-nobody = nobody decided within state.keep_parked
ended-command = the command was taken back by the agent
ended-asked-again = the agent asked again
ended-taken-back = taken back by the agent
ended-unpublished = unpublished before it was sent
ended-deleted-before = deleted before it was sent
ended-gone = unpublished, deleted or taken back before it was sent
ended-forgotten = forgotten

## What the mapping does with an event

left-rule = left out, its rule fails: { $why }
left-unknown = left out: Salesforce shows no such field
left-not-writeable = left out: the integration user can't write it
left-shortened = shortened to the field's { $length } characters
left-too-long = left out: longer than { $length } characters, and worth nothing when cut
left-name = left out: the org has none of this name
left-picklist = left out: the restricted picklist does not know the value
left-email = left out: no e-mail address that Salesforce takes
left-boolean = left out: neither true nor false
left-number = left out: no number
left-range = left out: more digits than the field has
left-date = left out: no date
left-record = left out: no record id
left-not-nillable = left as it is: the field can't be emptied
left-ambiguous = left empty: several records have the same external id or e-mail
left-not-told = left empty: Salesforce did not say whose Case it is
left-other = changed or left out: Salesforce refused it before ({ $code })
left-when = it fails: { $why }; this mapping is used only if no other `when` holds
nothing-no-mapping = no mapping wants it: no `when` of case*.yaml holds
nothing-perimeter = it is outside the perimeter: neither delegated nor of a place in `goodays.places`
nothing-new = Salesforce holds all of it already
nothing-no-event = this is no event of Goodays: { $why }; it would be parked
rule-boolean = `when` must give true or false
rule-value = a field needs one value, this gives an object
rule-no-expression = it is no expression
rule-steps = it takes too many steps
rule-unknown-filter = unknown filter
rule-unknown-function = unknown function
rule-unknown-test = unknown test
rule-unknown-method = unknown method
rule-include = templates cannot include others
rule-argument = an argument is missing
rule-arguments = too many arguments
rule-cannot = it cannot be computed from these values
rule-no-reason = no reason is known
rule-mixed-order = a text is ordered against a number
rule-no-order = values that have no order are ordered
rule-answer = answer() needs `type` or `id`, such as answer(type='nps')
rule-no-date = what should be a date is not one
rule-format = this date cannot be written in that format
rule-zone = there is no such time zone
rule-zones = this machine has no time zone data
rule-at = { $file }.yaml:{ $line }: { $why }

## Another instance works

elsewhere-door = the instance { $leader } works: ask its admin door, { $door }
elsewhere-leader = the instance { $leader } works: ask that one
elsewhere-nobody = no instance works now: try again in a few seconds
