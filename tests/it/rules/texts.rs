//! Realistic conversations: texts and ids of all kinds.

use goodays_salesforce::sim::goodays::Feedback;
use serde_json::{Value, json};

use crate::world::{World, words};

/// JSON permits half a surrogate pair, which a text cut by its UTF-16 length has. A `String` cannot hold it.
#[tokio::test]
async fn half_an_emoji_costs_nobody_his_words() {
    let world = World::start().await;
    world.goodays.drop_webhooks(1);
    let id = world.customer_leaves(words("Far too loud."));
    world.goodays.webhooks_sent().await;
    let event = String::from_utf8(world.goodays.event_body(&id, "response")).unwrap();
    let cut = event.replace("Far too loud.", r"Far too loud \ud83d");
    assert_ne!(cut, event);
    assert_eq!(world.post_bytes(cut.into_bytes()).await.0, 200);
    world.settle().await;
    assert_eq!(world.field(&id, "Description"), "Far too loud \u{fffd}");
    world.answers(&id, "We are sorry.").await;
}

/// Each of these is difficult in a different way.
const ODD: [&str; 8] = [
    "Emoji 😊👩‍👩‍👧 and Ünïcödé, e\u{301} and 漢字",
    "CRLF\r\nand\nothers\n\nthe end",
    "<b>bold</b> & \"quoted\" 'text' &amp; more",
    "@{refCase.id} and @{x} and {{ response.id }} {% raw %}",
    "back\\slash, tab\tand 100% of $.price",
    "' OR Id != null --",
    "0",
    "null",
];

fn shown(text: &str) -> String {
    text.replace("\r\n", "\n").replace("@{", "@\u{200b}{")
}

#[tokio::test]
async fn what_people_write_arrives_on_both_sides() {
    let world = World::start().await;
    for text in ODD {
        let id = world.arrives(words(text)).await;
        assert_eq!(world.field(&id, "Description"), shown(text));
        world.agent_comments(&id, text);
        world.settle().await;
        assert_eq!(world.received(&id), [("reply".to_owned(), text.replace("\r\n", "\n"))]);
        world.customer_writes(&id, text);
        world.settle().await;
        assert_eq!(world.thread(&id).last().unwrap(), &shown(text));
        assert_eq!(world.comments(&id).len(), 2);
    }
}

#[tokio::test]
async fn control_characters_cost_nothing_else() {
    let world = World::start().await;
    let id = world.arrives(words("Bell\u{7} and null\u{0} and escape\u{1b}[31m, then\u{b}tab.")).await;
    assert_eq!(world.field(&id, "Description"), "Bell and null and escape[31m, then\ntab.");
}

#[tokio::test]
async fn a_text_too_long_for_one_comment_loses_nothing() {
    let world = World::start().await;
    let id = world.replied().await;
    let lines: Vec<String> = (0..900).map(|n| format!("{n} <tags> & \"quotes\" 😊")).collect();
    let long = lines.join("\n");
    world.customer_writes(&id, &long);
    world.settle().await;
    let parts = world.comments(&id).split_off(1);
    assert!(parts.len() > 5, "{}", parts.len());
    let total = parts.len();
    let mut all = String::new();
    for (n, part) in parts.iter().enumerate() {
        let rest = part.strip_prefix(&format!("({}/{total}) ", n + 1)).expect("numbered in order");
        all += rest;
        all.push(' ');
    }
    let squeezed = |t: &str| t.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(squeezed(&all).ends_with(&squeezed(&long)), "something is missing");
    world.goodays.send_event(&id, "response").await.unwrap();
    world.settle().await;
    assert_eq!(world.comments(&id).len(), total + 1);
}

#[tokio::test]
async fn an_attachment_is_a_link() {
    let world = World::start().await;
    let url = "https://files.goodays.example/a b?x=1&y=<2>";
    let id = world.arrives(Feedback { attachment: Some(url.into()), ..words("See the picture.") }).await;
    assert_eq!(world.field(&id, "Description"), format!("See the picture.\n{url}"));
    world.answers(&id, "We have seen it.").await;
    world.goodays.customer_writes_with(&id, "", url).unwrap();
    world.settle().await;
    assert!(world.comments(&id)[1].contains(url), "{:?}", world.comments(&id));
}

#[tokio::test]
async fn ids_may_hold_anything_that_can_stand_in_a_path() {
    let world = World::start().await;
    let ids =
        ["with space", "it's", "per%20cent", "back\\slash", "quo\"te", "q?x=1&y#z", "ünï", "AbC", "aBc"];
    for id in ids {
        let feedback = Feedback { patch: json!({ "id": id }), ..words("An odd id.") };
        let body = world.goodays.event_body(&world.goodays.customer_leaves(feedback), "response");
        let mut event: Value = serde_json::from_slice(&body).unwrap();
        let turn = |n: u32| {
            json!({ "id": format!("{id} m,{n};%"), "content": format!("Turn {n} of it"), "type": "Message",
                "created_date": format!("2030-01-01T00:00:0{n}Z"), "sender": event["response"]["user"] })
        };
        let turns = [turn(1), turn(2)];
        event["response"]["attached_messages"] = json!([turns[1], turns[0]]);
        event["response"]["id"] = json!(id);
        assert_eq!(world.post(&event).await.1["status"], "accepted", "{id}");
        world.settle().await;
        assert_eq!(world.thread(id), ["Turn 1 of it", "Turn 2 of it"], "{id}");
        event["event_type"] = json!("delegated");
        world.post(&event).await;
        world.settle().await;
        assert_eq!(world.comments(id).len(), 2, "{id}");
    }
}

#[tokio::test]
async fn ids_survive_the_loss_of_the_state() {
    let mut world = World::start().await;
    let body = world.goodays.event_body(&world.arrives(words("Odd ids.")).await, "response");
    let mut event: Value = serde_json::from_slice(&body).unwrap();
    let id = "o'dd %id";
    event["response"]["id"] = json!(id);
    let turn = |n: u32| json!({ "id": format!("m, {n}; %41"), "content": format!("Turn {n}"), "created_date": "2030-01-01T00:00:00Z" });
    event["response"]["attached_messages"] = json!([turn(2), turn(1)]);
    world.post(&event).await;
    world.settle().await;
    world.restart_without_state().await;
    event["event_type"] = json!("delegated");
    world.post(&event).await;
    world.settle().await;
    assert_eq!(world.thread(id), ["Turn 1", "Turn 2"]);
}

#[tokio::test]
async fn a_long_conversation_comes_in_several_transactions_oldest_first() {
    let world = World::start().await;
    let id = world.customer_leaves(words("The beginning of a long story."));
    world.settle().await;
    let mut event: Value = serde_json::from_slice(&world.goodays.event_body(&id, "response")).unwrap();
    let turns: Vec<Value> = (0..400)
        .map(|n| {
            let at = format!("2030-01-01T{:02}:{:02}:00Z", n / 60, n % 60);
            json!({ "id": format!("long{n}"), "content": format!("Turn {n}."), "created_date": at,
                "sender": event["response"]["user"] })
        })
        .collect();
    event["response"]["attached_messages"] = turns.iter().rev().cloned().collect();
    world.salesforce.wire().clear_requests();
    world.post(&event).await;
    world.settle().await;
    let expected: Vec<String> = (0..400).map(|n| format!("Turn {n}.")).collect();
    assert_eq!(world.thread(&id), expected);
    assert_eq!(world.writes().len(), 3);
    assert_eq!(world.field(&id, "Status"), "Customer Replied");
    assert_eq!(world.field(&id, "Goodays_Message_Ids__c").split(' ').count(), 400);
}
