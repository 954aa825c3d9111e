"""An independent client against the simulator: simple-salesforce, unmodified.

It insists on https and on salesforce.com for the login; the session below sends both to SALESFORCE_URL
(reference/salesforce-api.md, section 9.2).
"""

import os
import sys
from urllib.parse import urlsplit

import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceGeneralError,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)

URL = os.environ.get("SALESFORCE_URL", "http://127.0.0.1:8089").rstrip("/")


class Plain(requests.Session):
    def request(self, method, url, *args, **kwargs):
        path = urlsplit(url)
        rest = path.path + ("?" + path.query if path.query else "")
        return super().request(method, URL + rest, *args, **kwargs)


def control(verb, body=None):
    answer = requests.post(f"{URL}/__sim/{verb}", json=body or {}, timeout=20)
    answer.raise_for_status()
    return answer.json()


def login(secret="sim-secret"):
    return Salesforce(
        consumer_key="sim-client",
        consumer_secret=secret,
        domain="sim.my",
        version="66.0",
        session=Plain(),
    )


def raises(kind, call, status=None):
    try:
        call()
    except kind as error:
        assert status is None or error.status == status, error
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def records(sf):
    made = sf.Case.create({"Subject": "From Python", "SuppliedEmail": "a@b.example"})
    assert made["success"] and made["errors"] == []
    case = made["id"]
    assert sf.Case.get(case)["Subject"] == "From Python"
    assert sf.Case.update(case, {"Subject": None}) == 204
    assert sf.Case.get(case)["Subject"] is None
    assert sf.Case.delete(case) == 204
    raises(SalesforceResourceNotFound, lambda: sf.Case.get(case), 404)
    raises(SalesforceMalformedRequest, lambda: sf.Case.create({"SuppliedEmail": "foo@"}), 400)
    error = raises(SalesforceMalformedRequest, lambda: sf.Case.create({"Nothing__c": "x"}), 400)
    assert error.content[0]["errorCode"] == "INVALID_FIELD"


def upserts(sf):
    key = "Goodays_Response_Id__c/py-one"
    assert sf.Case.upsert(key, {"Subject": "one"}) == 201
    assert sf.Case.upsert(key, {"Subject": "two"}) == 200
    assert sf.Case.get_by_custom_id("Goodays_Response_Id__c", "py-one")["Subject"] == "two"
    assert sf.Case.upsert("Goodays_Response_Id__c/py%20two", {"Subject": "blank"}) == 201
    found = sf.query("SELECT Subject FROM Case WHERE Goodays_Response_Id__c = 'py two'")
    assert found["records"][0]["Subject"] == "blank"
    for name in ["one", "two"]:
        sf.Store__c.create({"Name": name, "Region_Code__c": "py-north"})
    several = lambda: sf.Store__c.upsert("Region_Code__c/py-north", {"Name": "three"})
    raises(SalesforceMoreThanOneRecord, several, 300)


def queries(sf):
    case = sf.Case.get_by_custom_id("Goodays_Response_Id__c", "py-one")["Id"]
    for number in range(3):
        sf.CaseComment.create({"ParentId": case, "CommentBody": f"text {number}"})
    found = sf.query(
        "SELECT Id, Parent.Goodays_Response_Id__c, CreatedBy.Email FROM CaseComment "
        f"WHERE ParentId = '{case}' ORDER BY SystemModstamp, Id"
    )
    assert found["totalSize"] == 3 and found["done"]
    assert found["records"][0]["Parent"]["Goodays_Response_Id__c"] == "py-one"
    assert found["records"][0]["CreatedBy"]["Email"] == "connector@sim.example"
    nested = sf.query(
        f"SELECT Id, (SELECT CommentBody FROM CaseComments ORDER BY Id) FROM Case WHERE Id = '{case}'"
    )
    children = nested["records"][0]["CaseComments"]["records"]
    assert [child["CommentBody"] for child in children] == ["text 0", "text 1", "text 2"]
    raises(SalesforceMalformedRequest, lambda: sf.query("SELECT Foo FROM Case"), 400)
    raises(SalesforceMalformedRequest, lambda: sf.query("SELECT Id FORM Case"), 400)
    control("settings", {"page_size": 2})
    paged = sf.query_all(f"SELECT Id FROM CaseComment WHERE ParentId = '{case}' ORDER BY Id")
    control("settings", {"page_size": 0})
    assert paged["totalSize"] == 3 and len(paged["records"]) == 3 and paged["done"]


def many(sf):
    note = {"ParentId": "@{refCase.id}", "CommentBody": "with its Case"}
    steps = [
        {"method": "POST", "url": "/services/data/v66.0/sobjects/Case", "referenceId": "refCase",
         "body": {"Goodays_Response_Id__c": "py graph"}},
        {"method": "POST", "url": "/services/data/v66.0/sobjects/CaseComment", "referenceId": "refNote", "body": note},
    ]
    graphs = {"graphs": [{"graphId": "g", "compositeRequest": steps}]}
    answer = sf.restful("composite/graph", method="POST", json=graphs)
    assert answer["graphs"][0]["isSuccessful"], answer
    # Once more: the key is taken, and nothing is done.
    answer = sf.restful("composite/graph", method="POST", json=graphs)
    assert not answer["graphs"][0]["isSuccessful"], answer
    answer = sf.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": steps})
    codes = [step["body"][0]["errorCode"] for step in answer["compositeResponse"]]
    assert codes == ["DUPLICATE_VALUE", "PROCESSING_HALTED"], codes
    typed = {"attributes": {"type": "Case"}}
    body = {"allOrNone": False, "records": [{**typed, "Subject": "x"}, {**typed, "SuppliedEmail": "foo@"}]}
    answer = sf.restful("composite/sobjects", method="POST", json=body)
    assert [item["success"] for item in answer] == [True, False], answer
    assert answer[1]["errors"][0]["statusCode"] == "INVALID_EMAIL_ADDRESS", answer


def limits(sf):
    answer = sf.limits()
    assert answer["DailyApiRequests"]["Max"] > answer["DailyApiRequests"]["Remaining"] > 0
    assert sf.api_usage["api-usage"].total == answer["DailyApiRequests"]["Max"]
    names = [field["name"] for field in sf.Case.describe()["fields"]]
    assert "Goodays_Response_Id__c" in names
    assert any(entry["name"] == "Case" for entry in sf.describe()["sobjects"])


def sessions(sf):
    raises(SalesforceAuthenticationFailed, lambda: login("wrong"))
    stale = Salesforce(session_id="00D!stale", instance_url=URL, version="66.0", session=Plain())
    raises(SalesforceExpiredSession, stale.limits, 401)
    fault = {"path_contains": "/limits", "act": {"do": "answer", "status": 503, "body": "<html>busy</html>",
             "content_type": "text/html"}}
    control("fault", fault)
    raises(SalesforceGeneralError, sf.limits, 503)


def main():
    control("reset")
    sf = login()
    for check in [records, upserts, queries, many, limits, sessions]:
        check(sf)
        print(f"simple-salesforce: {check.__name__} ok")


if __name__ == "__main__":
    sys.exit(main())
