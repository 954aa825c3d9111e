//! What Goodays measures of a client's own work: `GET /stats/relationship`.
//!
//! The path, its parameters and the names of its figures are in the per-endpoint reference (marked *ref* in the Goodays
//! reference); no page describes them. So figures are handed on as Goodays gives them, without a unit.

use serde::Serialize;
use serde_json::Value;

use super::answer::first_or_self;
use super::client::Client;
use crate::http::Failure;

/// The figures, each as Goodays gives it; none where it gives none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Relationship {
    pub reply_rate: Option<f64>,
    pub reply_time: Option<f64>,
    pub reply_quality: Option<f64>,
    pub customer_service_rating: Option<f64>,
}

impl Relationship {
    /// Reads the response, which may be an object or a list of one (Goodays reference, 4.2). `None`: it has no figures,
    /// or several rows, of which none is the account's.
    fn from_value(value: &Value) -> Option<Self> {
        let object = first_or_self(value);
        let [row] = object["data"].as_array()?.as_slice() else { return None };
        let number = |key: &str| {
            let value = row.get(key)?;
            value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|number| number.is_finite())
        };
        let read = Self {
            reply_rate: number("reply_rate"),
            reply_time: number("reply_time"),
            reply_quality: number("reply_quality"),
            customer_service_rating: number("customer_service_rating"),
        };
        (read != Self::default()).then_some(read)
    }

    /// The figures that are there, with their names.
    pub fn figures(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let all = [
            ("reply_rate", self.reply_rate),
            ("reply_time", self.reply_time),
            ("reply_quality", self.reply_quality),
            ("customer_service_rating", self.customer_service_rating),
        ];
        all.into_iter().filter_map(|(name, figure)| Some((name, figure?)))
    }
}

impl Client {
    /// The account's figures, for the span that Goodays chooses when none is asked for.
    pub async fn relationship(&self) -> Result<Relationship, Failure> {
        let value = self.get(self.url(&["stats", "relationship"])?).await?;
        Relationship::from_value(&value).ok_or_else(|| Failure::no_answer("statistics without their figures"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_read_in_every_shape_and_nothing_is_guessed() {
        let row = json!({"key": "", "reply_rate": 93.5, "reply_time": "7200", "reply_quality": null});
        let read =
            Relationship { reply_rate: Some(93.5), reply_time: Some(7200.0), ..Relationship::default() };
        for shape in [json!({"data": [row]}), json!([{"data": [row]}]), json!({"results": [{"data": [row]}]})]
        {
            assert_eq!(Relationship::from_value(&shape), Some(read), "{shape}");
        }
        assert_eq!(read.figures().collect::<Vec<_>>(), [("reply_rate", 93.5), ("reply_time", 7200.0)]);
        let others = [
            json!([]),
            json!({"data": []}),
            json!({"data": [row, row]}),
            json!({"data": [{"reply_rate": "soon"}]}),
            json!({"detail": "x"}),
            json!({"data": 5}),
        ];
        for other in others {
            assert_eq!(Relationship::from_value(&other), None, "{other}");
        }
    }
}
