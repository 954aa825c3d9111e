//! The first part of an answer that is too large to read as a whole.

use super::{Failure, MAX_ANSWER, described, sending};

/// The first bytes of a successful answer; the rest is not read.
pub async fn beginning(request: reqwest::RequestBuilder) -> Result<Vec<u8>, Failure> {
    let mut response = request.send().await.map_err(sending)?;
    if !response.status().is_success() {
        return Err(Failure::no_answer(format!("status {}", response.status().as_u16())));
    }
    let mut body = Vec::new();
    while body.len() < MAX_ANSWER
        && let Some(chunk) = response.chunk().await.map_err(|e| Failure::NoAnswer(described(e)))?
    {
        body.extend_from_slice(&chunk);
        tokio::task::coop::consume_budget().await;
    }
    body.truncate(MAX_ANSWER);
    Ok(body)
}
