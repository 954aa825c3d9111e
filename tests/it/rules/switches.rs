//! Unknown behaviour of either side is a switch of the simulators. The conversation is the same with each setting.

use goodays_salesforce::sim::goodays::{Switches, UpdatedDate};
use goodays_salesforce::sim::salesforce::settings::Settings;
use serde_json::json;

use crate::world::{World, words};

type Turn<T> = (&'static str, fn(&mut T));

/// A whole conversation. Answers, imported messages and reports are the same each time.
async fn conversation(world: &World, name: &str) {
    let feedback = words("  Was it \"good\" & cheap? <Ünd> 😊 ");
    let id = world.arrives(feedback).await;
    let answer = "It's \"good\" & <cheap>,\nwe think.  Don't you?";
    world.agent_comments(&id, answer);
    world.until("the reply is there", || world.received(&id).len() == 1).await;
    world.settle().await;
    world.customer_writes(&id, "I'd say so & more.");
    world.settle().await;
    world.agent_comments(&id, "Then we are happy.");
    world.until("the message is there", || world.received(&id).len() == 2).await;
    world.settle().await;
    world.goodays.send_event(&id, "response").await.unwrap();
    world.goodays.send_event(&id, "reply").await.unwrap();
    world.customer_writes(&id, "So am I, thank you.");
    world.settle().await;
    let received = world.received(&id);
    let received: Vec<(&str, &str)> = received.iter().map(|(k, w)| (k.as_str(), w.as_str())).collect();
    assert_eq!(received, [("reply", answer), ("message", "Then we are happy.")], "{name}");
    assert_eq!(world.comments(&id).len(), 4, "{name}: {:?}", world.comments(&id));
    assert_eq!(world.field(&id, "Status"), "Customer Replied", "{name}");
    assert_eq!(world.told(&id).0, "Sent: private message", "{name}");
    assert_eq!(world.field(&id, "Goodays_Next_Action__c"), "Private message", "{name}");
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle().await;
    assert_eq!(
        world.told(&id).0,
        "Sent: private message",
        "{name}: a close that had nothing to do says nothing over it"
    );
    assert_eq!(world.processed(&id), ["reply", "message"], "{name}");
}

#[tokio::test]
async fn whatever_goodays_does_that_no_page_says_the_conversation_is_the_same() {
    let world = World::start().await;
    let turns: [Turn<Switches>; 12] = [
        ("as assumed", |_| {}),
        ("messages late", |s| s.visible_after_ms = 300),
        ("responses late", |s| (s.visible_after_ms, s.whole_response_late) = (300, true)),
        ("message stays allowed", |s| s.message_stays_allowed = true),
        ("reply event", |s| s.reply_event = true),
        ("reply event for us too", |s| (s.reply_event, s.reply_event_echo) = (true, true)),
        ("entities", |s| s.html_entities = true),
        ("nothing trimmed", |s| s.trim_texts = false),
        ("ascii bodies", |s| s.ascii_bodies = true),
        ("updated never", |s| s.updated_date = UpdatedDate::Never),
        ("updated always", |s| s.updated_date = UpdatedDate::Always),
        ("another refusal", |s| s.refusal_status = 409),
    ];
    for (name, turn) in turns {
        world.goodays.set_switches(|s| {
            *s = Switches::default();
            turn(s);
        });
        conversation(&world, name).await;
    }
}

#[tokio::test]
async fn whatever_the_org_does_that_no_page_says_the_conversation_is_the_same() {
    let world = World::start().await;
    let turns: [Turn<Settings>; 10] = [
        ("a comment touches its Case", |s| s.comment_touches_case = true),
        ("line ends weigh one", |s| s.newline_weight = 1),
        ("nothing is escaped", |s| s.escape_weights = false),
        ("other code for deleted", |s| s.deleted_get_code = "ENTITY_IS_DELETED".into()),
        ("limits not on errors", |s| s.limit_info_on_errors = false),
        ("nothing trimmed", |s| s.trim_texts = false),
        ("UTF-16 lengths", |s| s.utf16_lengths = true),
        ("all rights", |s| s.modify_all = true),
        ("sessions end soon", |s| s.session_calls = 5),
        ("late commits", |s| s.commit_delay_ms = 400),
    ];
    for (name, turn) in turns {
        world.salesforce.with_settings(|s| {
            *s = Settings::default();
            turn(s);
        });
        conversation(&world, name).await;
    }
}
