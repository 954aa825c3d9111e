//! Forms: fields by name, and only from our own pages.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;

use super::{Asked, Console};

/// The most fields of a form: the ticked items of one reason.
const FIELDS: usize = 20_000;

/// The fields of a form, in their order.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// The value of a field; empty if it is not there.
    pub fn one(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// All values of a field.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Console {
    /// Reads a form of one of our own pages.
    pub(super) async fn form(&self, asked: &Asked, request: Request) -> Result<Form, Response> {
        let form = self.any_form(asked, request).await?;
        let token = self.token();
        if self.sessions.is_own(&asked.visit.session, (*token).as_ref(), form.one("form")) {
            return Ok(form);
        }
        Err(asked.look.message(StatusCode::FORBIDDEN, asked.look.t("message-old-form"), ""))
    }

    /// Reads a form, also one without a session: of the log-in.
    pub(super) async fn any_form(&self, asked: &Asked, request: Request) -> Result<Form, Response> {
        let (head, body) = request.into_parts();
        let taken = self.reader.read(&head.headers, body).await.map_err(|_| {
            asked.look.message(StatusCode::PAYLOAD_TOO_LARGE, asked.look.t("message-too-long"), "")
        })?;
        let pairs = url::form_urlencoded::parse(&taken.bytes);
        Ok(Form(pairs.take(FIELDS).map(|(key, value)| (key.into_owned(), value.into_owned())).collect()))
    }
}
