// An independent client against the simulator: jsforce, unmodified (reference/salesforce-api.md, section 9.3).

import assert from "node:assert/strict";
import jsforce from "jsforce";

const URL_ = (process.env.SALESFORCE_URL ?? "http://127.0.0.1:8089").replace(/\/$/, "");
const oauth2 = { clientId: "sim-client", clientSecret: "sim-secret", loginUrl: URL_ };

async function control(verb, body = {}) {
  const answer = await fetch(`${URL_}/__sim/${verb}`, { method: "POST", body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.text());
}

async function login(secret = "sim-secret") {
  const connection = new jsforce.Connection({
    instanceUrl: URL_,
    version: "66.0",
    oauth2: { ...oauth2, clientSecret: secret },
  });
  await connection.authorize({ grant_type: "client_credentials" });
  return connection;
}

/** Expects an error of that name or code. */
async function fails(promise, name) {
  await assert.rejects(promise, (error) => {
    assert.ok([error.name, error.errorCode].includes(name), `${error.name} ${error.errorCode} ${error.message}`);
    return true;
  });
}

const checks = {
  async records(sf) {
    const made = await sf.sobject("Case").create({ Subject: "From Node", SuppliedEmail: "a@b.example" });
    assert.equal(made.success, true);
    assert.equal((await sf.sobject("Case").retrieve(made.id)).Subject, "From Node");
    assert.equal((await sf.sobject("Case").update({ Id: made.id, Subject: "Changed" })).success, true);
    assert.equal((await sf.sobject("Case").destroy(made.id)).success, true);
    await fails(sf.sobject("Case").retrieve(made.id), "NOT_FOUND");
    await fails(sf.sobject("Case").create({ SuppliedEmail: "foo@" }), "INVALID_EMAIL_ADDRESS");
    await fails(sf.sobject("Case").create({ SuppliedEmail: "foo@", Subject: "x".repeat(256) }), "MULTIPLE_API_ERRORS");
  },

  async upserts(sf) {
    const upsert = (Subject) =>
      sf.sobject("Case").upsert({ Goodays_Response_Id__c: "js one", Subject }, "Goodays_Response_Id__c");
    assert.equal((await upsert("one")).created, true);
    assert.equal((await upsert("two")).created, false);
    for (const Name of ["one", "two"]) {
      await sf.sobject("Store__c").create({ Name, Region_Code__c: "js-north" });
    }
    const several = sf.sobject("Store__c").upsert({ Name: "three", Region_Code__c: "js-north" }, "Region_Code__c");
    await fails(several, "MULTIPLE_CHOICES");
    const both = await sf.sobject("Case").upsert(
      [{ Goodays_Response_Id__c: "js one", Subject: "three" }, { Goodays_Response_Id__c: "js two" }],
      "Goodays_Response_Id__c",
    );
    assert.deepEqual(both.map((item) => item.created), [false, true]);
  },

  async queries(sf) {
    const { records: [{ Id }] } = await sf.query("SELECT Id FROM Case WHERE Goodays_Response_Id__c = 'js one'");
    for (const number of [0, 1, 2]) {
      await sf.sobject("CaseComment").create({ ParentId: Id, CommentBody: `text ${number}` });
    }
    const query = "SELECT Id, Parent.Goodays_Response_Id__c, CreatedBy.Email FROM CaseComment ORDER BY Id";
    const found = await sf.query(query);
    assert.equal(found.totalSize, 3);
    assert.equal(found.records[0].Parent.Goodays_Response_Id__c, "js one");
    const nested = await sf.query(`SELECT Id, (SELECT CommentBody FROM CaseComments) FROM Case WHERE Id = '${Id}'`);
    assert.equal(nested.records[0].CaseComments.totalSize, 3);
    await control("settings", { page_size: 2 });
    const first = await sf.query(query);
    assert.equal(first.done, false);
    const second = await sf.queryMore(first.nextRecordsUrl);
    assert.deepEqual([second.done, second.records.length], [true, 1]);
    await control("settings", { page_size: 0 });
    await fails(sf.query("SELECT Foo FROM Case"), "INVALID_FIELD");
    await fails(sf.query("SELECT Id FORM Case"), "MALFORMED_QUERY");
  },

  async many(sf) {
    const made = await sf.sobject("Case").create([{ Subject: "x" }, { SuppliedEmail: "foo@" }], { allOrNone: false });
    assert.deepEqual(made.map((item) => item.success), [true, false]);
    const all = await sf.sobject("Case").create([{ Subject: "x" }, { SuppliedEmail: "foo@" }], { allOrNone: true });
    assert.equal(all[0].errors[0].statusCode ?? all[0].errors[0].errorCode, "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    const steps = [
      { method: "POST", url: "/services/data/v66.0/sobjects/Case", referenceId: "refCase",
        body: { Goodays_Response_Id__c: "js graph" } },
      { method: "POST", url: "/services/data/v66.0/sobjects/CaseComment", referenceId: "refNote",
        body: { ParentId: "@{refCase.id}", CommentBody: "with its Case" } },
    ];
    const graphs = { graphs: [{ graphId: "g", compositeRequest: steps }] };
    assert.equal((await sf.requestPost("/composite/graph", graphs)).graphs[0].isSuccessful, true);
    const again = await sf.requestPost("/composite", { allOrNone: true, compositeRequest: steps });
    const codes = again.compositeResponse.map((step) => step.body[0].errorCode);
    assert.deepEqual(codes, ["DUPLICATE_VALUE", "PROCESSING_HALTED"]);
  },

  async limits(sf) {
    const { DailyApiRequests } = await sf.limits();
    assert.ok(DailyApiRequests.Remaining < DailyApiRequests.Max);
    assert.equal(sf.limitInfo.apiUsage.limit, DailyApiRequests.Max);
    const described = await sf.sobject("Case").describe();
    assert.ok(described.fields.some((field) => field.name === "Goodays_Response_Id__c"));
    assert.ok((await sf.describeGlobal()).sobjects.some((object) => object.name === "Case"));
  },

  async sessions() {
    await fails(login("wrong"), "invalid_client");
    const stale = new jsforce.Connection({ instanceUrl: URL_, accessToken: "00D!stale", version: "66.0" });
    await fails(stale.limits(), "INVALID_SESSION_ID");
    const fault = { path_contains: "/limits", act: { do: "answer", status: 403, body: "[]" } };
    await control("fault", fault);
    await assert.rejects((await login()).limits());
  },
};

await control("reset");
const sf = await login();
for (const [name, check] of Object.entries(checks)) {
  await check(sf);
  console.log(`jsforce: ${name} ok`);
}
