"""What a competent integrator writes with FastAPI and simple-salesforce.

The event is in SQLite before it is answered (one transaction for all that wait, synced), the session is kept and
renewed, calls are repeated with growing pauses, and AT_ONCE of them are in flight.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import os
import queue
import sqlite3
import threading
import time
from urllib.parse import urlsplit

import requests
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceExpiredSession

SALESFORCE_URL = os.environ["SALESFORCE_URL"]
SECRET = os.environ["WEBHOOK_SECRET"].encode()
AT_ONCE = int(os.environ.get("AT_ONCE", "10"))
ATTEMPTS = 10
log = logging.getLogger("peer")


class Plain(requests.Session):
    """simple-salesforce insists on https and salesforce.com; the simulator has neither."""

    def request(self, method, url, *args, **kwargs):
        path = urlsplit(url)
        rest = path.path + ("?" + path.query if path.query else "")
        return super().request(method, SALESFORCE_URL + rest, *args, **kwargs)


def login():
    return Salesforce(
        consumer_key=os.environ["SALESFORCE_CLIENT_ID"],
        consumer_secret=os.environ["SALESFORCE_CLIENT_SECRET"],
        domain="sim.my",
        version="66.0",
        session=Plain(),
    )


class Inbox:
    """One thread writes: everything that waits goes into one transaction."""

    def __init__(self, path):
        self.path = path
        self.writes = queue.SimpleQueue()
        self.work = queue.SimpleQueue()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        db = sqlite3.connect(self.path, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, body TEXT, done INTEGER DEFAULT 0)")
        for row in db.execute("SELECT id, body FROM events WHERE done = 0 ORDER BY id").fetchall():
            self.work.put(row)
        while True:
            group = [self.writes.get()]
            while not self.writes.empty():
                group.append(self.writes.get())
            db.execute("BEGIN")
            rows = []
            for body, finished, _ in group:
                if finished is not None:
                    db.execute("UPDATE events SET done = 1, body = NULL WHERE id = ?", (finished,))
                else:
                    rows.append((db.execute("INSERT INTO events (body) VALUES (?)", (body,)).lastrowid, body))
            db.execute("COMMIT")
            for row in rows:
                self.work.put(row)
            for _, _, stored in group:
                if stored is not None:
                    stored()

    async def store(self, body):
        loop = asyncio.get_running_loop()
        stored = loop.create_future()
        self.writes.put((body, None, lambda: loop.call_soon_threadsafe(stored.set_result, None)))
        await stored

    def finish(self, number):
        self.writes.put((None, number, None))


def priority(score):
    if score is None:
        return "Medium"
    return "High" if score <= 6 else "Medium" if score <= 8 else "Low"


def carry(sf, event):
    """The Case by its external id, then its comments: all of them in one call."""
    response = event["response"]
    text = response.get("message") or {}
    nps = next((a["value"] for a in response.get("answers", []) if a["question"]["type"] == "nps"), None)
    user = response["user"]
    saved = sf.Case.upsert(
        f"Goodays_Response_Id__c/{response['id']}",
        {
            "Subject": f"{text.get('type') or 'Feedback'} - {response['place']['name']}",
            "Description": text.get("content"),
            "SuppliedName": f"{user['first_name']} {user['last_name']}",
            "SuppliedEmail": user["email"],
            "Origin": "Goodays",
            "Priority": priority(nps),
            "Status": "New",
        },
        raw_response=True,
    )
    case = saved.json()["id"]
    records = [
        {
            "attributes": {"type": "CaseComment"},
            "ParentId": case,
            "CommentBody": f"{m['sender']['first_name']} {m['sender']['last_name']}, {m['created_date']}:\n{m['content']}",
        }
        for m in response.get("attached_messages", [])
    ]
    if records:
        made = sf.restful("composite/sobjects", method="POST", json={"allOrNone": True, "records": records})
        failed = [item for item in made if not item["success"]]
        if failed:
            raise RuntimeError(failed[0]["errors"])


def worker(inbox):
    sf = login()
    while True:
        number, body = inbox.work.get()
        for attempt in range(ATTEMPTS):
            try:
                carry(sf, json.loads(body))
                inbox.finish(number)
                break
            except SalesforceExpiredSession:
                sf = login()
            except Exception as error:
                log.error("event %s, attempt %s: %s", number, attempt + 1, error)
                time.sleep(min(0.5 * 2**attempt, 60))


app = FastAPI()
inbox = Inbox(os.path.join(os.environ["STATE"], "inbox.db"))
for _ in range(AT_ONCE):
    threading.Thread(target=worker, args=(inbox,), daemon=True).start()


@app.post("/webhooks/goodays")
async def webhook(request: Request):
    body = await request.body()
    made = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(made, request.headers.get("X-HMAC-SHA256", "")):
        raise HTTPException(401, "signature")
    try:
        json.loads(body)
    except ValueError:
        raise HTTPException(400, "not JSON") from None
    await inbox.store(body.decode())
    return {"status": "accepted"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
