//! Section 5: SOQL.

use serde_json::{Value, json};
use std::sync::atomic::Ordering;

use super::{World, encoded, golden};

#[tokio::test]
async fn section_5_conditions() {
    let world = World::new().await;
    for (key, priority) in [("a", "High"), ("b", "Low"), ("c", "Medium")] {
        let body = json!({"Goodays_Response_Id__c": key, "Subject": format!("It's {key}_100%"), "Priority": priority});
        world.create("Case", body).await;
    }
    world.create("Case", json!({"Subject": null, "Goodays_Call_Rating__c": 5})).await;
    let by_key = |key: &str| world.org.case_by_key(key).unwrap()["Id"].as_str().unwrap().to_owned();
    let (a, b, c) = (by_key("a"), by_key("b"), by_key("c"));
    let d = world.org.records("Case")[3]["Id"].as_str().unwrap().to_owned();
    for (condition, wanted) in [
        ("Goodays_Response_Id__c = 'a'".to_owned(), vec![&a]),
        // The key is case-sensitive, other texts are not.
        ("Goodays_Response_Id__c = 'A'".to_owned(), vec![]),
        ("priority = 'HIGH'".to_owned(), vec![&a]),
        ("Goodays_Response_Id__c IN ('a', 'c')".to_owned(), vec![&a, &c]),
        ("Goodays_Response_Id__c NOT IN ('a','c')".to_owned(), vec![&b, &d]),
        ("Goodays_Response_Id__c != null".to_owned(), vec![&a, &b, &c]),
        ("Goodays_Response_Id__c = NULL".to_owned(), vec![&d]),
        ("Goodays_Response_Id__c != 'a'".to_owned(), vec![&b, &c, &d]),
        (r"Subject = 'it\'s B_100%'".to_owned(), vec![&b]),
        (r"Subject LIKE 'IT%\_100\%'".to_owned(), vec![&a, &b, &c]),
        (r"Subject LIKE '%s\_'".to_owned(), vec![]),
        ("Subject LIKE '_____a%'".to_owned(), vec![&a]),
        ("(Priority = 'High' OR Priority = 'Low') AND IsClosed = false".to_owned(), vec![&a, &b]),
        ("NOT (Priority = 'High' OR Priority = 'Low')".to_owned(), vec![&c, &d]),
        ("NOT Priority = 'High'".to_owned(), vec![&b, &c, &d]),
        ("Goodays_Call_Rating__c >= 4.5".to_owned(), vec![&d]),
        (format!("Id > '{b}'"), vec![&c, &d]),
        (format!("Id = '{}'", &b[..15]), vec![&b]),
        ("CreatedDate < 2020-01-01T00:00:00Z".to_owned(), vec![]),
        (
            "CreatedDate >= 2020-01-01T02:00:00+02:00 AND CreatedDate >= LAST_N_DAYS:2".to_owned(),
            vec![&a, &b, &c, &d],
        ),
        ("CreatedBy.Email = 'connector@sim.example' AND Case.Priority = 'Low'".to_owned(), vec![&b]),
        ("Contact.LastName = null".to_owned(), vec![&a, &b, &c, &d]),
    ] {
        let found = world.ids(&format!("SELECT Id FROM Case WHERE {condition} ORDER BY Id")).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{condition}");
    }
    let ordered = world
        .ids("SELECT Id FROM Case ORDER BY Priority DESC, Goodays_Response_Id__c ASC NULLS LAST LIMIT 3")
        .await;
    assert_eq!(ordered, [c.clone(), d.clone(), b.clone()]);
    assert_eq!(world.ids("SELECT Id FROM Case ORDER BY Id LIMIT 2 OFFSET 1").await, [b, c]);
    let counted = world.query("SELECT count() FROM Case").await.body;
    assert_eq!(counted, json!({"totalSize": 4, "done": true, "records": []}));
    world.comment(&a, "x").await;
    let commented = world.ids("SELECT Id FROM Case WHERE Id IN (SELECT ParentId FROM CaseComment)").await;
    assert_eq!(commented, [a]);
}

#[tokio::test]
async fn section_5_parents_and_children() {
    let world = World::new().await;
    let case = world.create("Case", json!({"Subject": "x"})).await;
    world.create("Case", json!({"Subject": "y"})).await;
    for number in 0..3 {
        world.comment(&case, &format!("text {number}")).await;
    }
    let query = "SELECT Subject, Contact.Name2, (SELECT Id FROM CaseComments) FROM Case";
    assert_eq!(world.query(query).await.status, 400);
    let query = "SELECT Subject, Contact.LastName, (SELECT CommentBody FROM CaseComments ORDER BY Id DESC LIMIT 2) FROM Case ORDER BY Id";
    let found = world.query(query).await.body;
    let (one, two) = (&found["records"][0], &found["records"][1]);
    assert_eq!((&one["Contact"], &two["CaseComments"]), (&Value::Null, &Value::Null));
    assert_eq!((&one["CaseComments"]["totalSize"], &one["CaseComments"]["done"]), (&json!(2), &json!(true)));
    assert_eq!(one["CaseComments"]["records"][0]["CommentBody"], json!("text 2"));
    // Long lists of children have their own pages.
    world.org.with_settings(|settings| settings.page_size = 2);
    let found = world.query("SELECT Id, (SELECT Id FROM CaseComments) FROM Case ORDER BY Id").await.body;
    let children = &found["records"][0]["CaseComments"];
    assert_eq!((&children["totalSize"], &children["done"]), (&json!(3), &json!(false)));
    let rest = world.get(children["nextRecordsUrl"].as_str().unwrap()).await.body;
    assert_eq!((&rest["done"], rest["records"].as_array().unwrap().len()), (&json!(true), 1));
    world.org.with_settings(|settings| settings.page_size = 0);
    let all = world.get(&format!("/query?q={}", encoded("SELECT FIELDS(ALL) FROM Case LIMIT 1"))).await.body;
    assert!(
        all["records"][0].get("Goodays_Response_Id__c").is_some()
            && all["records"][0].get("Comments").is_none()
    );
}

#[tokio::test]
async fn section_5_pages_and_their_locators() {
    let (world, time) = World::at(1_780_000_000_000).await;
    for _ in 0..2 {
        let records: Value =
            (0..200).map(|n| json!({"attributes": {"type": "Case"}, "Subject": format!("{n}")})).collect();
        world.post("/composite/sobjects", json!({"records": records})).await;
    }
    let path = format!("/query?q={}", encoded("SELECT Id FROM Case ORDER BY Id"));
    let batch = [("Sforce-Query-Options", "batchSize=200")];
    let first = world.send("GET", &path, Value::Null, &batch).await.body;
    assert_eq!((&first["totalSize"], &first["done"]), (&json!(400), &json!(false)));
    let next = first["nextRecordsUrl"].as_str().unwrap();
    assert!(next.starts_with("/services/data/v66.0/query/01g") && next.ends_with("-200"), "{next}");
    let second = world.send("GET", next, Value::Null, &batch).await.body;
    assert_eq!((&second["done"], second["records"].as_array().unwrap().len()), (&json!(true), 200));
    assert_ne!(first["records"][0], second["records"][0]);
    // Pages may be shorter than requested.
    world.org.with_settings(|settings| settings.page_size = 150);
    let mut page = world.get(&path).await.body;
    let mut sizes = vec![page["records"].as_array().unwrap().len()];
    while page["done"] == json!(false) {
        page = world.get(page["nextRecordsUrl"].as_str().unwrap()).await.body;
        sizes.push(page["records"].as_array().unwrap().len());
    }
    assert_eq!(sizes, [150, 150, 100]);
    let stale = world.get(&path).await.body["nextRecordsUrl"].as_str().unwrap().to_owned();
    world.org.with_settings(|settings| (settings.locator_ttl_ms, settings.session_ttl_ms) = (60_000, 0));
    time.fetch_add(60_000, Ordering::SeqCst);
    let got = world.get(&stale).await;
    assert_eq!((got.status, got.body[0]["errorCode"].as_str()), (400, Some("INVALID_QUERY_LOCATOR")));
}

#[tokio::test]
async fn section_5_wrong_queries_are_refused_as_salesforce_words_it() {
    let world = World::new().await;
    golden("query_no_such_column", &world.query("SELECT Foo FROM Case").await.body);
    golden("query_not_filterable", &world.query("SELECT Id FROM Case WHERE Description = 'x'").await.body);
    for (soql, code, part) in [
        ("SELECT Id FORM Case", "MALFORMED_QUERY", "unexpected token: 'FORM'"),
        ("SELECT Id FROM Case WHERE", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id FROM Case WHERE Subject = 'x", "MALFORMED_QUERY", ""),
        (
            "SELECT Id FROM Case WHERE Subject = 'x' AND Status = 'y' OR Origin = 'z'",
            "MALFORMED_QUERY",
            "'OR'",
        ),
        (r"SELECT Id FROM Case WHERE Subject = 'a\z'", "MALFORMED_QUERY", "Illegal character sequence"),
        ("SELECT Id FROM Case LIMIT x", "MALFORMED_QUERY", "unexpected token: 'x'"),
        ("SELECT Id FROM Nothing__c", "INVALID_TYPE", "sObject type 'Nothing__c' is not supported"),
        ("SELECT Id FROM Case WHERE CreatedDate > '2020-01-01T00:00:00Z'", "INVALID_FIELD", "dateTime"),
        ("SELECT Id FROM Case WHERE IsClosed = 'true'", "INVALID_FIELD", "boolean"),
        ("SELECT Id FROM Case WHERE Subject = 5", "INVALID_FIELD", "string"),
        (
            "SELECT Id FROM Case WHERE Id = 'nonsense'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid ID field: nonsense",
        ),
        ("SELECT Nobody.Name FROM Case", "INVALID_FIELD", "Didn't understand relationship 'Nobody'"),
        ("SELECT Id, (SELECT Id FROM Nothings) FROM Case", "INVALID_TYPE", "Didn't understand relationship"),
        ("SELECT Id FROM Case OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"),
        ("SELECT Id FROM Case ORDER BY Description", "INVALID_FIELD", "can not be sorted"),
    ] {
        let got = world.query(soql).await;
        assert_eq!(
            (got.status, got.body[0]["errorCode"].as_str()),
            (400, Some(code)),
            "{soql}: {}",
            got.body
        );
        assert!(got.body[0]["message"].as_str().unwrap().contains(part), "{soql}: {}", got.body);
    }
    let long = world.get(&format!("/query?q={}", "x".repeat(16_400))).await;
    assert_eq!(long.status, 414);
    let columns = world.get(&format!("/query?q={}&columns=true", encoded("SELECT Id FROM Case"))).await;
    assert_eq!(columns.body["keyPrefix"], json!("500"));
}
