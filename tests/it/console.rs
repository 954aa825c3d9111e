//! The console's pages, from the browser's view, over both simulators.

mod alerts;
mod doors;
mod feedback;
mod french;
mod grafana;
mod instances;
mod jobs;
mod waiting;

use std::sync::Mutex;
use std::time::Duration;

use goodays_salesforce::demo::stage::Stage;
use reqwest::{RequestBuilder, Response, StatusCode};

const PATIENCE: Duration = Duration::from_secs(120);

/// A browser: it keeps cookies, sends forms with the origin of the page, and follows no redirect by itself.
pub struct Browser {
    http: reqwest::Client,
    host: String,
    cookies: Mutex<Vec<(String, String)>>,
}

/// An answer that was read.
pub struct Page {
    pub status: StatusCode,
    pub html: String,
    /// Where it leads to.
    pub to: Option<String>,
}

impl Browser {
    pub fn new(stage: &Stage) -> Self {
        Self::at(&stage.app().doors.admin_addr().to_string())
    }

    /// At the admin door of this address.
    pub fn at(host: &str) -> Self {
        Self {
            http: goodays_salesforce::http::client(PATIENCE),
            host: host.to_owned(),
            cookies: Mutex::default(),
        }
    }

    fn with_cookies(&self, request: RequestBuilder) -> RequestBuilder {
        let cookies = self.cookies.lock().unwrap();
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { request } else { request.header("cookie", pairs.join("; ")) }
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.with_cookies(self.http.get(format!("http://{}{path}", self.host)))
    }

    /// A form without `form`'s number.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let request = self.http.post(format!("http://{}{path}", self.host)).form(fields);
        self.with_cookies(request)
    }

    pub async fn read(&self, request: RequestBuilder) -> Page {
        let answer = request.send().await.unwrap();
        self.keep_cookies(&answer);
        let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        Page { status: answer.status(), to, html: answer.text().await.unwrap() }
    }

    fn keep_cookies(&self, answer: &Response) {
        let mut cookies = self.cookies.lock().unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            cookies.retain(|(known, _)| known != name);
            cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    pub async fn open(&self, path: &str) -> Page {
        self.read(self.get(path)).await
    }

    /// Sends a form of the page at `from`, and follows where it leads to.
    pub async fn send(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let number = self.open(from).await.form_number();
        let fields = [&[("form", number.as_str())], fields].concat();
        let sent = self.post(path, &fields).header("origin", format!("http://{}", self.host));
        let page = self.read(sent).await;
        match &page.to {
            Some(to) => self.open(to).await,
            None => page,
        }
    }
}

impl Page {
    /// What the page's forms carry.
    pub fn form_number(&self) -> String {
        let rest = self.html.split("name=\"form\" value=\"").nth(1);
        rest.and_then(|rest| rest.split('"').next()).expect("the page has a form").to_owned()
    }

    #[track_caller]
    pub fn has(&self, text: &str) -> &Self {
        assert!(self.html.contains(text), "the page has no {text:?}: {}", self.html);
        self
    }

    #[track_caller]
    pub fn lacks(&self, text: &str) -> &Self {
        assert!(!self.html.contains(text), "the page has {text:?}: {}", self.html);
        self
    }
}
