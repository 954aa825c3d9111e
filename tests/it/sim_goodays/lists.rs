//! Lists (sections 1.1 and 4.2).

use super::*;

async fn walk(world: &World, first: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut next = Some(format!("{}{first}", world.goodays.url()));
    while let Some(url) = next {
        let page = world.send("GET", &url, Some(TOKEN), None).await.body;
        found.extend(page["results"].as_array().unwrap().iter().cloned());
        next = page["next"].as_str().map(str::to_owned);
    }
    found
}

#[tokio::test]
async fn section_4_2_pages_by_cursor_twenty_at_a_time() {
    let world = world().await;
    let mut ids: Vec<String> = (0..45).map(|_| world.leaves()).collect();
    let first = world.get("/responses").await.body;
    assert_eq!((first["results"].as_array().unwrap().len(), &first["previous"]), (20, &Value::Null));
    assert!(first["next"].as_str().unwrap().starts_with(&world.goodays.url()));
    ids.reverse();
    for path in ["/responses", "/responses/bulk?page_size=7"] {
        let found = walk(&world, path).await;
        assert_eq!(found.iter().map(|item| item["id"].as_str().unwrap()).collect::<Vec<_>>(), ids, "{path}");
    }
    let oldest_first = walk(&world, "/responses?sort=created_date&page_size=1000").await;
    assert_eq!(oldest_first[0]["id"], json!(ids[44]));
    assert_eq!(world.get("/responses?cursor=nonsense").await.status, 404);
}

#[tokio::test]
async fn section_4_2_previous_leads_back_and_new_rows_do_not_shift_pages() {
    let world = world().await;
    (0..6).for_each(|_| drop(world.leaves()));
    let first = world.get("/responses?page_size=3").await.body;
    world.leaves();
    let second = world.send("GET", first["next"].as_str().unwrap(), Some(TOKEN), None).await.body;
    assert_eq!(second["next"], Value::Null);
    let back = world.send("GET", second["previous"].as_str().unwrap(), Some(TOKEN), None).await.body;
    assert_eq!(back["results"], first["results"]);
    assert!(back["previous"].is_string());
}

#[tokio::test]
async fn section_1_1_the_list_is_light_and_bulk_is_full() {
    let world = world().await;
    let id = world.leaves();
    let light = world.get("/responses").await.body["results"][0].clone();
    let keys: Vec<&str> = light.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "id",
        "created_date",
        "updated_date",
        "has_answers",
        "has_message",
        "has_reply",
        "alert_triggered",
        "detail_url",
    ];
    assert_eq!(keys, expected);
    let full = world.get("/responses/bulk").await.body["results"][0].clone();
    assert_eq!(full, world.get(&format!("/responses/{id}")).await.body);
    assert_eq!(full, world.goodays.response(&id).unwrap());
}

#[tokio::test]
async fn section_4_4_dates_are_in_utc_and_without_zone() {
    let world = world().await;
    let early = world.leaves();
    world.advance(3_600_000);
    let late = world.leaves();
    let ids = |body: Value| -> Vec<String> {
        let items = body["results"].as_array().unwrap().clone();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    // 10:20:39 in Paris is 09:20:39 in UTC.
    let after = world.get("/responses/bulk?start_date=2020-02-05T09:20:40").await.body;
    assert_eq!(ids(after), std::slice::from_ref(&late));
    let before = world.get("/responses?end_date=2020-02-05T09:20:40").await.body;
    assert_eq!(ids(before), [early]);
    for wrong in ["2020-02-05T09:20:40Z", "2020-02-05T09:20:40%2B01:00", "yesterday"] {
        let refused = world.get(&format!("/responses?start_date={wrong}")).await;
        let expected = json!({"start_date": ["Enter a valid date/time."]});
        assert_eq!((refused.status, refused.body), (400, expected), "{wrong}");
    }
    let end = "/responses?end_date=2020-02-05T10:20:39.810&start_date=2020-02-05T10:00:00";
    assert_eq!(ids(world.get(end).await.body), [late]);
    world.goodays.set_switches(|switches| switches.end_inclusive = false);
    assert_eq!(ids(world.get(end).await.body), Vec::<String>::new());
}

#[tokio::test]
async fn section_1_1_filters() {
    let world = world().await;
    let id = world.goodays.customer_leaves(Feedback {
        email: Some("anna@customer.example".to_owned()),
        source: "google".to_owned(),
        place_partner_id: "77".to_owned(),
        content: None,
        ..Feedback::default()
    });
    world.leaves();
    let place = world.goodays.response(&id).unwrap()["place"]["id"].as_str().unwrap().to_owned();
    for path in [
        "/responses?email=Anna@customer.example".to_owned(),
        "/responses?place=77".to_owned(),
        "/responses/bulk?source=google".to_owned(),
        "/responses?has_message=false".to_owned(),
        format!("/places/{place}/responses"),
        format!("/places/{place}/responses/bulk"),
    ] {
        let found = world.get(&path).await.body["results"].clone();
        assert_eq!((found.as_array().unwrap().len(), &found[0]["id"]), (1, &json!(id)), "{path}");
    }
    assert_eq!(walk(&world, "/surveys/12AB34/responses").await.len(), 1);
}

#[tokio::test]
async fn section_1_1_users_are_found_by_e_mail() {
    let world = world().await;
    let found = world.get("/users?email=Jennifer.Parker@brand.example").await.body["results"].clone();
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!((&found[0]["id"], &found[0]["read_only"]), (&json!(JENNIFER), &json!(false)));
    assert_eq!(world.get("/users?email=nobody@brand.example").await.body["results"], json!([]));
    assert_eq!(world.get("/users?email=parker@brand.example").await.body["results"], json!([]));
    world.goodays.set_switches(|switches| switches.user_email_contains = true);
    assert_eq!(world.get("/users?email=parker@brand.example").await.body["results"][0]["id"], JENNIFER);
    assert_eq!(world.get(&format!("/users/{JENNIFER}")).await.body["last_name"], "Parker");
    assert_eq!(world.get(&format!("/users/{JENNIFER}/places")).await.status, 200);
}

#[tokio::test]
async fn section_1_1_the_dashboard_sums_up_to_all_that_wait() {
    let world = world().await;
    world.goodays.customer_leaves(Feedback { alert: true, ..Feedback::default() });
    let id = world.leaves();
    assert_eq!(world.get("/dashboard").await.body, json!({"pending_alert": 1, "pending_reply": 1}));
    world.put(&id, "reply", answer("Sorry")).await;
    assert_eq!(world.get("/dashboard").await.body, json!({"pending_alert": 1, "pending_reply": 0}));
    world.goodays.customer_writes(&id, "And now?").unwrap();
    assert_eq!(
        world.get("/dashboard?place=1234").await.body,
        json!({"pending_alert": 1, "pending_reply": 1})
    );
    assert_eq!(world.get("/dashboard?place=9").await.body, json!({"pending_alert": 0, "pending_reply": 0}));
}

#[tokio::test]
async fn section_1_1_events_have_samples_of_all_four_kinds() {
    let world = world().await;
    let events = world.get("/events").await.body;
    let samples = events[0]["samples"].as_object().unwrap().clone();
    for kind in ["response", "message", "delegated", "reply"] {
        let url = samples[&format!("sample_{kind}")].as_str().unwrap();
        let sample = world.send("GET", url, Some(TOKEN), None).await.body;
        assert_eq!(sample["event_type"], kind);
        assert_eq!(sample.get("message").is_some(), kind == "message");
    }
    world.goodays.set_switches(|switches| switches.events_as_page = true);
    assert_eq!(world.get("/events").await.body["results"], events);
    assert_eq!(world.get("/events/other/sample_response").await.status, 404);
    assert_eq!(world.get("/events/ev3NtWbHk1/sample_other").await.status, 404);
}

#[tokio::test]
async fn section_1_1_places_surveys_and_configuration() {
    let world = world().await;
    let place = world.get("/places?partner_id=1234").await.body["results"][0].clone();
    let detail = world.get(&format!("/places/{}", place["id"].as_str().unwrap())).await.body;
    assert_eq!((&detail["name"], &detail["lang"]), (&json!("place name"), &json!("fr")));
    assert_eq!(world.get("/surveys?slug=survey1").await.body["results"][0]["id"], "12AB34");
    assert!(world.get("/surveys/12AB34").await.body["questions"].is_array());
    let parameters = world.get("/configuration").await.body["custom_parameters"].clone();
    assert_eq!(parameters[0]["key"], "transaction_date");
}
