//! Actions, and reading them back (sections 3 and 5.3).

use super::*;

#[tokio::test]
async fn section_3_2_the_sets_of_allowed_actions() {
    let world = world().await;
    let id = world.leaves();
    assert_eq!(world.actions(&id), ["reply", "spam", "close", "call"]);
    world.goodays.store_delegates(&id).unwrap();
    assert_eq!(world.actions(&id), ["reply", "spam", "close"]);
    world.put(&id, "reply", answer("Sorry")).await;
    assert_eq!(world.actions(&id), Vec::<String>::new());
    world.goodays.customer_writes(&id, "And now?").unwrap();
    assert_eq!(world.actions(&id), ["message"]);
}

#[tokio::test]
async fn section_3_1_what_is_not_listed_is_refused() {
    let world = world().await;
    let id = world.leaves();
    let early = world.put(&id, "message", answer("x")).await;
    assert_eq!(early.status, 400);
    assert_eq!(early.body, json!({"detail": "Action \"message\" is not allowed on this response."}));
    assert_eq!(world.put(&id, "reply", answer("Sorry")).await.status, 200);
    for (verb, body) in
        [("reply", answer("x")), ("spam", json!({})), ("close", json!({})), ("call", json!({}))]
    {
        assert_eq!(world.put(&id, verb, body).await.status, 400, "{verb}");
    }
    world.goodays.set_switches(|switches| switches.refusal_status = 409);
    assert_eq!(world.put(&id, "spam", json!({})).await.status, 409);
    assert_eq!(world.goodays.received_by_customer(&id).len(), 1);
}

#[tokio::test]
async fn section_3_4_a_reply_closes_and_is_echoed_without_an_id() {
    let world = world().await;
    let id = world.leaves();
    let body: Value = serde_json::from_str(include_str!("../../fixtures/goodays/action_reply.json")).unwrap();
    let echo = world.put(&id, "reply", body.clone()).await;
    assert_eq!(echo.status, 200);
    let expected = json!({"user": JENNIFER, "content": body["content"], "remark_type": "Problem"});
    assert_eq!(echo.body, expected);
    let response = world.get(&format!("/responses/{id}")).await.body;
    assert_eq!((&response["state"], &response["reply"]["type"]), (&json!("closed"), &json!("text")));
    assert_eq!(response["reply"]["sender"]["first_name"], "Jennifer");
    let received = world.goodays.received_by_customer(&id);
    assert_eq!((&received[0]["kind"], &received[0]["user"]), (&json!("reply"), &json!(JENNIFER)));
}

#[tokio::test]
async fn section_3_5_call_and_close_and_spam_end_it_without_a_text() {
    let world = world().await;
    for (verb, body, state) in [
        ("call", include_str!("../../fixtures/goodays/action_call.json"), "closed"),
        ("close", include_str!("../../fixtures/goodays/action_close.json"), "closed"),
        ("spam", include_str!("../../fixtures/goodays/action_spam.json"), "spam"),
    ] {
        let id = world.leaves();
        let body: Value = serde_json::from_str(body).unwrap();
        let echo = world.put(&id, verb, body.clone()).await;
        assert_eq!((echo.status, &echo.body["user"]), (200, &json!(JENNIFER)), "{verb}");
        assert_eq!(world.state(&id), state);
        assert_eq!(world.actions(&id), Vec::<String>::new());
        assert_eq!(world.goodays.received_by_customer(&id).len(), 0);
        assert_eq!(world.goodays.processed(&id)[0]["action"], verb);
        let reply = &world.goodays.response(&id).unwrap()["reply"];
        assert_eq!(reply["type"].as_str(), if verb == "call" { Some("call") } else { None });
        assert!(world.goodays.customer_writes(&id, "hello?").is_err());
    }
}

#[tokio::test]
async fn section_3_5_the_state_stays_closed_and_updated_date_stays_when_the_customer_writes() {
    let world = world().await;
    let id = world.leaves();
    world.put(&id, "reply", answer("Sorry")).await;
    let before = world.goodays.response(&id).unwrap();
    world.advance(60_000);
    world.goodays.customer_writes(&id, "And now?").unwrap();
    let after = world.goodays.response(&id).unwrap();
    assert_eq!(after["state"], "closed");
    assert_eq!(before["updated_date"], after["updated_date"]);
    world.goodays.set_switches(|switches| switches.updated_date = UpdatedDate::Always);
    world.goodays.customer_writes(&id, "Hello?").unwrap();
    assert_ne!(after["updated_date"], world.goodays.response(&id).unwrap()["updated_date"]);
}

#[tokio::test]
async fn section_3_3_a_message_needs_a_turn_of_the_customer() {
    let world = world().await;
    let id = world.leaves();
    assert!(world.goodays.customer_writes(&id, "too early").is_err());
    world.put(&id, "reply", answer("Sorry")).await;
    assert_eq!(world.put(&id, "message", answer("not yet")).await.status, 400);
    world.goodays.customer_writes(&id, "And now?").unwrap();
    let body: Value =
        serde_json::from_str(include_str!("../../fixtures/goodays/action_message.json")).unwrap();
    let echo = world.put(&id, "message", body.clone()).await;
    assert_eq!(echo.body, json!({"user": JENNIFER, "content": body["content"]}));
    assert_eq!(world.put(&id, "message", body).await.status, 400);
    let kinds: Vec<_> =
        world.goodays.received_by_customer(&id).iter().map(|text| text["kind"].clone()).collect();
    assert_eq!(kinds, ["reply", "message"]);
}

#[tokio::test]
async fn section_3_12_the_same_bytes_twice_are_sent_twice() {
    let world = world_with(Switches { message_stays_allowed: true, ..Switches::default() }).await;
    let id = world.leaves();
    world.put(&id, "reply", answer("Sorry")).await;
    assert_eq!(world.actions(&id), ["message"]);
    world.put(&id, "message", answer("Twice")).await;
    world.put(&id, "message", answer("Twice")).await;
    assert_eq!(world.goodays.received_by_customer(&id).len(), 3);
    let attached = world.goodays.response(&id).unwrap()["attached_messages"].clone();
    assert_ne!(attached[0]["id"], attached[1]["id"]);
}

#[tokio::test]
async fn section_3_7_the_remark_type_is_required_when_the_source_is_not_goodays() {
    let world = world().await;
    let feedback =
        || Feedback { source: "google".to_owned(), remark_type: "NoType".to_owned(), ..Feedback::default() };
    for verb in ["reply", "close"] {
        let id = world.goodays.customer_leaves(feedback());
        let refused = world.put(&id, verb, answer("Thanks")).await;
        assert_eq!(
            (refused.status, refused.body),
            (400, json!({"remark_type": ["This field is required."]}))
        );
        let body = json!({"content": "Thanks", "remark_type": "NoType"});
        let refused = world.put(&id, verb, body).await.body;
        assert_eq!(refused, json!({"remark_type": ["\"NoType\" is not a valid choice."]}));
        let body = json!({"content": "Thanks", "remark_type": "Message"});
        assert_eq!(world.put(&id, verb, body).await.status, 200);
    }
    let id = world.goodays.customer_leaves(feedback());
    assert_eq!(world.put(&id, "call", json!({"rating": 5})).await.status, 200);
}

#[tokio::test]
async fn section_1_1_fields_are_checked_all_at_once() {
    let world = world().await;
    let id = world.leaves();
    let wrong = json!({"user": "jennifer.parker@brand.example", "content": "  "});
    assert_eq!(
        world.put(&id, "reply", wrong).await.body,
        json!({
            "user": ["Object with id=jennifer.parker@brand.example does not exist."],
            "content": ["This field may not be blank."],
        })
    );
    let missing = world.put(&id, "reply", json!({})).await;
    assert_eq!((missing.status, missing.body), (400, json!({"content": ["This field is required."]})));
    for (rating, why) in [
        (json!("five"), "A valid integer is required."),
        (json!(6), "Ensure this value is less than or equal to 5."),
        (json!(-1), "Ensure this value is greater than or equal to 0."),
    ] {
        let refused = world.put(&id, "call", json!({"rating": rating})).await;
        assert_eq!((refused.status, refused.body), (400, json!({"rating": [why]})));
    }
    let url = format!("{}/responses/{id}/reply", world.goodays.url());
    assert_eq!(world.send("PUT", &url, Some(TOKEN), Some("{\"content\": ")).await.status, 400);
    assert_eq!(world.send("PUT", &url, Some(TOKEN), Some("[]")).await.status, 400);
}

#[tokio::test]
async fn section_3_8_a_read_only_user_may_not_answer_and_none_is_the_token_s_own() {
    let world = world().await;
    let id = world.leaves();
    let refused = world.put(&id, "reply", json!({"content": "x", "user": "3c4d5e6"})).await;
    assert_eq!(refused.body, json!({"user": ["This user is read only."]}));
    assert_eq!(world.put(&id, "reply", json!({"content": "x"})).await.status, 200);
    let reply = world.goodays.response(&id).unwrap()["reply"].clone();
    assert_eq!(reply["sender"]["email"], "customer.service@brand.example");
    world.goodays.customer_writes(&id, "y").unwrap();
    world.goodays.set_switches(|switches| switches.message_needs_user = true);
    let refused = world.put(&id, "message", json!({"content": "x"})).await;
    assert_eq!(refused.body, json!({"user": ["This field is required."]}));
}

#[tokio::test]
async fn section_3_9_a_new_participation_ends_the_older_private_exchange() {
    let world = world().await;
    let feedback = || Feedback { email: Some("Chester@customer.example".to_owned()), ..Feedback::default() };
    let older = world.goodays.customer_leaves(feedback());
    world.put(&older, "reply", answer("Sorry")).await;
    world.goodays.customer_writes(&older, "And now?").unwrap();
    assert_eq!(world.actions(&older), ["message"]);
    let newer = world.goodays.customer_leaves(feedback());
    assert_eq!(world.actions(&older), Vec::<String>::new());
    assert_eq!(world.put(&older, "message", answer("too late")).await.status, 400);
    assert_eq!(world.actions(&newer), ["reply", "spam", "close", "call"]);
}

#[tokio::test]
async fn section_3_11_a_delegation_can_come_late_with_messages_and_be_undone() {
    let world = world().await;
    let id = world.leaves();
    world.goodays.colleague_replies(&id, "The store answers").unwrap();
    world.goodays.customer_writes(&id, "I want your boss").unwrap();
    world.goodays.store_delegates(&id).unwrap();
    let event: Value = serde_json::from_slice(&world.goodays.event_body(&id, "delegated")).unwrap();
    assert_eq!(event["response"]["attached_messages"].as_array().unwrap().len(), 2);
    assert_eq!(world.actions(&id), ["message"]);
    world.goodays.store_takes_back(&id).unwrap();
    assert_eq!(world.goodays.response(&id).unwrap()["delegated_to"], Value::Null);
}

#[tokio::test]
async fn section_2_1_the_fourth_event_tells_of_answers_when_switched_on() {
    let world = world_with(Switches { reply_event: true, ..Switches::default() }).await;
    let (_server, inbox) = receiver(&world.goodays, None).await;
    let (one, two) = (world.leaves(), world.leaves());
    world.goodays.colleague_replies(&one, "From the back office").unwrap();
    world.put(&two, "reply", answer("From the API")).await;
    world.goodays.webhooks_sent().await;
    assert_eq!(kinds(&inbox), ["response", "response", "reply"]);
    world.goodays.customer_writes(&two, "And?").unwrap();
    world.goodays.set_switches(|switches| switches.reply_event_echo = true);
    world.put(&two, "message", answer("From the API")).await;
    world.goodays.webhooks_sent().await;
    assert_eq!(kinds(&inbox)[3..], ["message", "reply"]);
}

#[tokio::test]
async fn section_3_colleagues_act_under_the_same_rules() {
    let world = world().await;
    let goodays = &world.goodays;
    let id = world.leaves();
    assert!(goodays.colleague_messages(&id, "too early").is_err());
    goodays.colleague_holds(&id).unwrap();
    assert_eq!(world.state(&id), "pending");
    goodays.colleague_replies(&id, "Hello").unwrap();
    goodays.customer_writes(&id, "Hello to you").unwrap();
    goodays.colleague_messages(&id, "Bye").unwrap();
    assert_eq!(goodays.received_by_customer(&id)[1]["user"], "2b3c4d5");
    assert_eq!(goodays.processed(&id)[1]["by"], "colleague");
    let (closed, spam, called) = (world.leaves(), world.leaves(), world.leaves());
    goodays.colleague_closes(&closed).unwrap();
    goodays.colleague_marks_spam(&spam).unwrap();
    goodays.colleague_calls(&called, "nice man").unwrap();
    assert_eq!(
        [world.state(&closed), world.state(&spam), world.state(&called)],
        ["closed", "spam", "closed"]
    );
    assert!(goodays.colleague_closes(&spam).is_err());
}

#[tokio::test]
async fn section_6_a_response_taken_back_may_be_out_of_reach() {
    let world = world().await;
    let id = world.leaves();
    let path = format!("/responses/{id}");
    assert!(world.goodays.store_takes_back(&id).is_err());
    world.goodays.store_delegates(&id).unwrap();
    world.goodays.store_takes_back(&id).unwrap();
    assert_eq!(world.get(&path).await.status, 200);
    for status in [403, 404] {
        world.goodays.set_switches(|switches| switches.taken_back_status = status);
        assert_eq!(world.get(&path).await.status, status);
        assert_eq!(world.put(&id, "reply", answer("x")).await.status, status);
        assert_eq!(world.get("/responses/bulk").await.body["results"], json!([]));
    }
    world.goodays.store_delegates(&id).unwrap();
    assert_eq!(world.get(&path).await.status, 200);
}

#[tokio::test]
async fn section_6_a_review_is_edited_and_later_gone() {
    let world = world().await;
    let (_server, inbox) = receiver(&world.goodays, None).await;
    let id = world.goodays.customer_leaves(Feedback { source: "google".to_owned(), ..Feedback::default() });
    world.goodays.customer_edits(&id, "On second thought").unwrap();
    world.goodays.webhooks_sent().await;
    assert_eq!(kinds(&inbox), ["response", "response"]);
    assert!(inbox.requests()[1].body.contains("On second thought"));
    world.goodays.removes(&id).unwrap();
    assert_eq!(world.get(&format!("/responses/{id}")).await.status, 404);
}

#[tokio::test]
async fn section_5_3_the_read_back_may_show_our_message_late() {
    for whole in [false, true] {
        let switches = Switches { visible_after_ms: 5000, whole_response_late: whole, ..Switches::default() };
        let world = world_with(switches).await;
        let id = world.leaves();
        world.put(&id, "reply", answer("Sorry")).await;
        let early = world.get(&format!("/responses/{id}")).await.body;
        assert_eq!(early["reply"], Value::Null);
        assert_eq!(early["attached_messages"], json!([]));
        assert_eq!(early["state"], if whole { "open" } else { "closed" });
        assert_eq!(world.goodays.received_by_customer(&id).len(), 1);
        world.advance(5000);
        let late = world.get(&format!("/responses/{id}")).await.body;
        assert_eq!((&late["state"], &late["reply"]["content"]), (&json!("closed"), &json!("Sorry")));
    }
}

#[tokio::test]
async fn section_5_3_texts_may_come_back_trimmed_and_with_entities() {
    let world = world_with(Switches { html_entities: true, ..Switches::default() }).await;
    let id = world.leaves();
    world.put(&id, "reply", answer("  It's <b>\"&\"</b>\n")).await;
    let read = world.get(&format!("/responses/{id}")).await.body;
    assert_eq!(read["reply"]["content"], "It&#39;s &lt;b&gt;&quot;&amp;&quot;&lt;/b&gt;");
    assert_eq!(world.goodays.received_by_customer(&id)[0]["content"], "It's <b>\"&\"</b>");
}

#[tokio::test]
async fn section_5_3_an_action_can_be_done_although_the_line_was_cut() {
    let world = world().await;
    let id = world.leaves();
    world.goodays.wire().fault(Fault::once("/reply", Act::ResetAfter));
    let url = format!("{}/responses/{id}/reply", world.goodays.url());
    let request = world.client.put(url).header("Authorization", TOKEN).json(&answer("Sorry"));
    assert!(request.send().await.is_err());
    assert_eq!(world.goodays.received_by_customer(&id).len(), 1);
    assert_eq!(world.goodays.wire().requests().len(), 1);
}
