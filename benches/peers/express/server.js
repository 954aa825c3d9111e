// What a competent integrator writes with Express and jsforce: the event is on disk before it is answered, the
// session is kept and renewed, calls are repeated with growing pauses, and AT_ONCE of them are in flight.

import { createHmac, timingSafeEqual } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import express from "express";
import jsforce from "jsforce";

const { PORT, SALESFORCE_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET, WEBHOOK_SECRET, STATE } = process.env;
const AT_ONCE = Number(process.env.AT_ONCE ?? 10);
const ATTEMPTS = 10;

// The queue on disk: each event is a line; what is done is noted in a second file.

/** Appends lines; all that come during a sync share the next one. */
class Journal {
  waiting = [];
  busy = false;

  static async open(path) {
    const journal = new Journal();
    journal.file = await open(path, "a+");
    return journal;
  }

  append(line) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ line, resolve, reject });
      if (!this.busy) this.flush();
    });
  }

  async flush() {
    this.busy = true;
    while (this.waiting.length > 0) {
      const group = this.waiting.splice(0);
      try {
        await this.file.appendFile(group.map(({ line }) => line + "\n").join(""));
        await this.file.datasync();
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.busy = false;
  }

  async lines() {
    const text = await this.file.readFile("utf8");
    return text.split("\n").filter(Boolean);
  }
}

const inbox = await Journal.open(join(STATE, "inbox.jsonl"));
const done = await Journal.open(join(STATE, "done.txt"));
const finished = new Set(await done.lines());
const queue = (await inbox.lines()).map((line) => JSON.parse(line)).filter(({ id }) => !finished.has(String(id)));
let next = Date.now() * 1000;

// Salesforce.

const salesforce = new jsforce.Connection({
  instanceUrl: SALESFORCE_URL,
  version: "66.0",
  oauth2: { clientId: SALESFORCE_CLIENT_ID, clientSecret: SALESFORCE_CLIENT_SECRET, loginUrl: SALESFORCE_URL },
  refreshFn: async (connection, callback) => {
    try {
      await connection.authorize({ grant_type: "client_credentials" });
      callback(null, connection.accessToken);
    } catch (error) {
      callback(error);
    }
  },
});
await salesforce.authorize({ grant_type: "client_credentials" });

const priority = (score) => (score == null ? "Medium" : score <= 6 ? "High" : score <= 8 ? "Medium" : "Low");

/** Two calls: the Case by its external id, and all comments of it. */
async function carry({ response }) {
  const text = response.message;
  const nps = response.answers?.find(({ question }) => question.type === "nps");
  const saved = await salesforce.sobject("Case").upsert(
    {
      Goodays_Response_Id__c: response.id,
      Subject: `${text?.type ?? "Feedback"} - ${response.place?.name ?? ""}`,
      Description: text?.content,
      SuppliedName: `${response.user.first_name} ${response.user.last_name}`,
      SuppliedEmail: response.user.email,
      Origin: "Goodays",
      Priority: priority(nps?.value),
      Status: "New",
    },
    "Goodays_Response_Id__c",
  );
  const comments = (response.attached_messages ?? []).map((message) => ({
    ParentId: saved.id,
    CommentBody: `${message.sender.first_name} ${message.sender.last_name}, ${message.created_date}:\n${message.content}`,
  }));
  if (comments.length === 0) return;
  const made = await salesforce.sobject("CaseComment").create(comments, { allOrNone: true });
  const failed = made.find(({ success }) => !success);
  if (failed) throw new Error(JSON.stringify(failed.errors));
}

let working = 0;

function work() {
  while (working < AT_ONCE && queue.length > 0) {
    working += 1;
    one(queue.shift()).finally(() => {
      working -= 1;
      work();
    });
  }
}

async function one({ id, event }) {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    try {
      await carry(event);
      await done.append(String(id));
      return;
    } catch (error) {
      console.error(`event ${id}, attempt ${attempt + 1}: ${error.message}`);
      await pause(Math.min(500 * 2 ** attempt, 60_000));
    }
  }
}

// The door.

function signed(body, given) {
  const made = createHmac("sha256", WEBHOOK_SECRET).update(body).digest();
  const bytes = Buffer.from(given ?? "", "hex");
  return bytes.length === made.length && timingSafeEqual(bytes, made);
}

const app = express();
app.disable("x-powered-by");
app.set("etag", false);
app.post("/webhooks/goodays", express.raw({ type: () => true, limit: "8mb" }), async (request, answer) => {
  if (!signed(request.body, request.get("X-HMAC-SHA256"))) return answer.status(401).json({ error: "signature" });
  let event;
  try {
    event = JSON.parse(request.body);
  } catch {
    return answer.status(400).json({ error: "not JSON" });
  }
  const entry = { id: (next += 1), event };
  await inbox.append(JSON.stringify(entry));
  queue.push(entry);
  work();
  answer.json({ status: "accepted" });
});
app.listen(Number(PORT), "127.0.0.1");
work();
