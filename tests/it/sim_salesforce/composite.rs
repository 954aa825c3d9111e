//! Section 4: many requests in one.

use serde_json::{Value, json};

use super::{Got, World, encoded, golden, graph, step};

#[tokio::test]
async fn section_4_1_composite_with_references() {
    let world = World::new().await;
    let long = "x".repeat(4001);
    let steps = |text: &str| {
        json!([
            step("PATCH", "/sobjects/Case/Goodays_Response_Id__c/abc", "refCase", &json!({"Subject": "s"})),
            step(
                "POST",
                "/sobjects/CaseComment",
                "refNote",
                &json!({"ParentId": "@{refCase.id}", "CommentBody": text})
            )
        ])
    };
    let shortened = |mut got: Got| {
        let text = got.body.to_string().replace(&long, "LONG");
        got.body = serde_json::from_str(&text).unwrap();
        got
    };
    let envelope = json!({"allOrNone": true, "compositeRequest": steps(&long)});
    let got = shortened(world.post("/composite", envelope).await);
    assert_eq!(got.status, 200);
    golden("composite_rolled_back", &got.body);
    assert!(world.org.records("Case").is_empty());
    let got = shortened(world.post("/composite", json!({"compositeRequest": steps(&long)})).await);
    golden("composite", &got.body);
    assert_eq!(world.org.records("Case").len(), 1);
    let got = world.post("/composite", json!({"allOrNone": true, "compositeRequest": steps("short")})).await;
    assert_eq!(got.body["compositeResponse"][1]["httpStatusCode"], json!(201));
    assert_eq!(world.org.comments_of("abc").len(), 1);
    assert_eq!(world.org.api_calls(), 3);
}

#[tokio::test]
async fn section_4_1_references_into_queries_and_failed_steps() {
    let world = World::new().await;
    world.create("Case", json!({"Goodays_Response_Id__c": "r1"})).await;
    let q = encoded("SELECT Id, Status FROM Case WHERE Goodays_Response_Id__c = 'r1'");
    let steps = json!([
        step("GET", &format!("/query?q={q}"), "q", &Value::Null),
        step(
            "PATCH",
            "/sobjects/Case/@{q.records[0].Id}",
            "p",
            &json!({"Subject": "was @{q.records[0].Status}!"})
        )
    ]);
    let got = world.post("/composite", json!({"compositeRequest": steps})).await;
    assert_eq!(got.body["compositeResponse"][1]["httpStatusCode"], json!(204), "{}", got.body);
    assert_eq!(world.org.case_by_key("r1").unwrap()["Subject"], json!("was New!"));
    let steps = json!([
        step("POST", "/sobjects/Case", "refCase", &json!({"SuppliedEmail": "foo@"})),
        step("POST", "/sobjects/CaseComment", "c", &json!({"ParentId": "@{refCase.id}", "CommentBody": "x"}))
    ]);
    let got = world.post("/composite", json!({"compositeRequest": steps})).await;
    assert_eq!(got.body["compositeResponse"][1]["httpStatusCode"], json!(400));
    golden("composite_invalid_reference", &got.body["compositeResponse"][1]["body"]);
    // References are case-sensitive: rows have `Id`, answers have `id`.
    let steps = json!([
        step("POST", "/sobjects/Case", "a", &json!({})),
        step("GET", "/sobjects/Case/@{a.Id}", "b", &Value::Null)
    ]);
    let got = world.post("/composite", json!({"compositeRequest": steps})).await;
    assert_eq!(got.body["compositeResponse"][1]["body"][0]["errorCode"], json!("PROCESSING_HALTED"));
}

#[tokio::test]
async fn section_4_1_malformed_envelopes() {
    let world = World::new().await;
    let one = step("GET", "/limits", "a", &Value::Null);
    let mut headers = one.clone();
    headers["httpHeaders"] = json!({"Authorization": "Bearer x"});
    for envelope in [
        json!({}),
        json!({"compositeRequest": [one, one]}),
        json!({"compositeRequest": [step("get", "/limits", "a", &Value::Null)]}),
        json!({"compositeRequest": [step("GET", "/limits", "a-b", &Value::Null)]}),
        json!({"compositeRequest": [headers]}),
        json!({"compositeRequest": [{"method": "GET", "url": "/elsewhere", "referenceId": "a"}]}),
    ] {
        let got = world.post("/composite", envelope).await;
        assert_eq!(got.status, 400, "{}", got.body);
        assert!(got.body.is_array());
    }
    let many = |count: usize, path: &str| -> Value {
        (0..count).map(|number| step("GET", path, &format!("r{number}"), &Value::Null)).collect()
    };
    let query = format!("/query?q={}", encoded("SELECT Id FROM Case"));
    for (steps, status) in [
        (many(25, "/limits"), 200),
        (many(26, "/limits"), 400),
        (many(5, &query), 200),
        (many(6, &query), 400),
    ] {
        assert_eq!(world.post("/composite", json!({"compositeRequest": steps})).await.status, status);
    }
}

#[tokio::test]
async fn section_4_1_references_to_null() {
    let world = World::new().await;
    let case = world.create("Case", json!({})).await;
    let steps = |version: &str| {
        let get = json!({"method": "GET", "url": format!("/services/data/{version}/sobjects/Case/{case}"), "referenceId": "a"});
        let post = json!({"method": "POST", "url": format!("/services/data/{version}/sobjects/Case"), "referenceId": "b",
            "body": {"Subject": "@{a.Subject}"}});
        json!({"compositeRequest": [get, post]})
    };
    for (version, status) in [("v51.0", 400), ("v52.0", 201)] {
        let got = world.post(&format!("/services/data/{version}/composite"), steps(version)).await;
        assert_eq!(got.body["compositeResponse"][1]["httpStatusCode"], json!(status), "{}", got.body);
    }
}

#[tokio::test]
async fn section_4_1_step_headers_count() {
    let world = World::new().await;
    let mut one = step("POST", "/sobjects/Case", "a", &json!({"Goodays_Response_Id__c": "r1"}));
    one["httpHeaders"] = json!({"Sforce-Auto-Assign": "FALSE"});
    world.post("/composite", json!({"compositeRequest": [one]})).await;
    let case = world.org.case_by_key("r1").unwrap();
    assert!(case["OwnerId"].as_str().unwrap().starts_with("005"));
}

#[tokio::test]
async fn section_4_2_a_graph_makes_a_case_with_its_comment() {
    let world = World::new().await;
    let got = world.post("/composite/graph", json!({"graphs": [graph("r1", "first")]})).await;
    golden("graph", &got.body);
    let query = "SELECT Id, CommentBody, Parent.Goodays_Response_Id__c, CreatedBy.Name, SystemModstamp FROM CaseComment";
    let mut found = world.query(query).await.body;
    found["records"][0]["Parent"]["Goodays_Response_Id__c"] = json!("abc");
    golden("query", &found);
    assert_eq!(world.org.api_calls(), 2);
}

#[tokio::test]
async fn section_4_2_a_failed_graph_leaves_nothing_and_the_others_stand() {
    let world = World::new().await;
    let graphs =
        json!({"graphs": [graph("r1", &"x".repeat(4001)), graph("r2", "fine"), graph("r3", "look: @{x}")]});
    let got = world.post("/composite/graph", graphs).await;
    assert_eq!(got.status, 200);
    let good: Vec<&Value> =
        got.body["graphs"].as_array().unwrap().iter().map(|g| &g["isSuccessful"]).collect();
    assert_eq!(good, [&json!(false), &json!(true), &json!(false)]);
    assert_eq!(world.org.records("Case").len(), 1);
    // A text of the customer was read as a reference.
    let step = &got.body["graphs"][2]["graphResponse"]["compositeResponse"][1];
    assert!(
        step["body"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("Invalid reference specified. No value for x")
    );
    let escaped = json!({"graphs": [graph("r3", "look: @\u{200b}{x}")]});
    assert_eq!(world.post("/composite/graph", escaped).await.body["graphs"][0]["isSuccessful"], json!(true));
}

#[tokio::test]
async fn section_4_2_limits_of_graphs() {
    let world = World::new().await;
    let graphs = |count: usize| -> Value { (0..count).map(|n| graph(&format!("r{n}"), "x")).collect() };
    assert_eq!(world.post("/composite/graph", json!({"graphs": graphs(76)})).await.status, 400);
    let steps = |count: usize| -> Value {
        (0..count).map(|n| step("POST", "/sobjects/Case", &format!("r{n}"), &json!({}))).collect()
    };
    let sized = |count| json!({"graphs": [{"graphId": "g", "compositeRequest": steps(count)}]});
    assert_eq!(world.post("/composite/graph", sized(501)).await.status, 400);
    assert_eq!(world.post("/composite/graph", sized(500)).await.status, 200);
    let chain = |count: usize| -> Value {
        let body =
            |n: usize| if n == 0 { json!({}) } else { json!({"ParentId": format!("@{{r{}.id}}", n - 1)}) };
        let steps: Value =
            (0..count).map(|n| step("POST", "/sobjects/Case", &format!("r{n}"), &body(n))).collect();
        json!({"graphs": [{"graphId": "g", "compositeRequest": steps}]})
    };
    assert_eq!(world.post("/composite/graph", chain(15)).await.status, 200);
    assert_eq!(world.post("/composite/graph", chain(16)).await.status, 400);
    let query = json!([step("GET", "/query?q=x", "q", &Value::Null)]);
    let wrong = json!({"graphs": [{"graphId": "g", "compositeRequest": query}]});
    assert_eq!(world.post("/composite/graph", wrong).await.status, 400);
}

#[tokio::test]
async fn section_4_2_after_14_failed_graphs_the_rest_is_halted() {
    let world = World::new().await;
    let bad = "x".repeat(4001);
    let graphs: Value =
        (0..20).map(|n| graph(&format!("r{n}"), if n < 14 { &bad } else { "fine" })).collect();
    let got = world.post("/composite/graph", json!({"graphs": graphs})).await;
    let last = &got.body["graphs"][14];
    assert_eq!(last["isSuccessful"], json!(false));
    let code = &last["graphResponse"]["compositeResponse"][0]["body"][0]["errorCode"];
    assert_eq!(code, &json!("PROCESSING_HALTED"));
    assert!(world.org.records("Case").is_empty());
}

#[tokio::test]
async fn section_4_3_batch() {
    let world = World::new().await;
    let case = world.create("Case", json!({})).await;
    let good = json!({"method": "PATCH", "url": format!("v66.0/sobjects/Case/{case}"), "richInput": {"Status": "Closed"}});
    let bad = json!({"method": "GET", "url": "v66.0/sobjects/Case/500000000000001AAA"});
    let got = world.post("/composite/batch", json!({"batchRequests": [good], "haltOnError": false})).await;
    golden("batch", &got.body);
    let got =
        world.post("/composite/batch", json!({"batchRequests": [bad, good], "haltOnError": true})).await;
    assert_eq!(got.body["hasErrors"], json!(true));
    assert_eq!(got.body["results"][1]["result"][0]["errorCode"], json!("BATCH_PROCESSING_HALTED"));
    // Unverified point 10.
    let before = world.org.api_calls();
    world.post("/composite/batch", json!({"batchRequests": [good, good]})).await;
    assert_eq!(world.org.api_calls() - before, 3);
    world.org.with_settings(|settings| settings.batch_counts_steps = false);
    world.post("/composite/batch", json!({"batchRequests": [good, good]})).await;
    assert_eq!(world.org.api_calls() - before, 4);
}

#[tokio::test]
async fn section_4_4_collections() {
    let world = World::new().await;
    let record =
        |key: &str| json!({"attributes": {"type": "Case"}, "Goodays_Response_Id__c": key, "Subject": "x"});
    let upsert = json!({"allOrNone": false, "records": [record("a"), record("b"), record("b")]});
    let got = world.patch("/composite/sobjects/Case/Goodays_Response_Id__c", upsert).await;
    assert_eq!(got.status, 200);
    golden("collection", &got.body);
    let typed = |body: Value| {
        let mut record = json!({"attributes": {"type": "Case"}});
        record.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        record
    };
    let mixed = json!([typed(json!({"Subject": "x"})), typed(json!({"SuppliedEmail": "123"}))]);
    let got = world.post("/composite/sobjects", json!({"allOrNone": true, "records": mixed})).await;
    golden("collection_rolled_back", &got.body);
    let got = world.post("/composite/sobjects", json!({"records": mixed})).await;
    assert_eq!((&got.body[0]["success"], &got.body[1]["success"]), (&json!(true), &json!(false)));
    let id = got.body[0]["id"].as_str().unwrap();
    let updates = json!([typed(json!({"Id": id, "Subject": "y"})), typed(json!({"id": "oops"}))]);
    let got = world.patch("/composite/sobjects", json!({"records": updates})).await;
    assert_eq!(
        (&got.body[0]["success"], &got.body[1]["errors"][0]["statusCode"]),
        (&json!(true), &json!("MALFORMED_ID"))
    );
    let wanted = json!({"ids": [id, "500000000000001AAA"], "fields": ["Subject"]});
    let got = world.post("/composite/sobjects/Case", wanted).await;
    assert_eq!((&got.body[0]["Subject"], &got.body[1]), (&json!("y"), &Value::Null));
    let got = world.delete(&format!("/composite/sobjects?ids={id}&allOrNone=false")).await;
    assert_eq!(got.body[0]["success"], json!(true));
    let chunks: Value = (0..11)
        .map(|n| json!({"attributes": {"type": if n % 2 == 0 { "Case" } else { "Account" }}}))
        .collect();
    assert_eq!(world.post("/composite/sobjects", json!({"records": chunks})).await.status, 400);
    let many: Value = (0..201).map(|_| typed(json!({}))).collect();
    assert_eq!(world.post("/composite/sobjects", json!({"records": many})).await.status, 400);
}

#[tokio::test]
async fn section_4_5_trees() {
    let world = World::new().await;
    let comments = json!({"records": [{"attributes": {"type": "CaseComment", "referenceId": "ref2"}, "CommentBody": "x"}]});
    let case = json!({"attributes": {"type": "Case", "referenceId": "ref1"}, "Subject": "x", "CaseComments": comments});
    let got = world.post("/composite/tree/Case", json!({"records": [case]})).await;
    assert_eq!(got.status, 201);
    golden("tree", &got.body);
    let bad = json!({"attributes": {"type": "Case", "referenceId": "ref2"}, "SuppliedEmail": "123"});
    let got = world.post("/composite/tree/Case", json!({"records": [case, bad]})).await;
    assert_eq!(got.status, 400);
    golden("tree_failed", &got.body);
    assert_eq!(world.org.records("Case").len(), 1);
}
