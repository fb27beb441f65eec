//! Answers to the webhook's questions about images, over HTTP.

use std::sync::Arc;

use actix_web::HttpResponse;

use super::Learner;
use super::known::Answer;
use crate::serve::ask::PATH;
use crate::serve::ops::Observed;

/// The listener for questions. It has the pages of the ops listener too.
#[derive(Debug)]
pub struct Answers {
    /// Whom the other pages are about.
    pub ops: Arc<dyn Observed>,
    /// Who knows.
    pub learner: Arc<Learner>,
}

impl Observed for Answers {
    fn is_ready(&self) -> bool {
        self.ops.is_ready()
    }

    fn report(&self) -> String {
        self.ops.report()
    }

    fn metrics(&self) -> String {
        self.ops.metrics()
    }

    fn page(&self, path: &str, query: &str) -> Option<HttpResponse> {
        if path != PATH {
            return None;
        }
        let (mut image, mut namespace) = (String::new(), String::new());
        let mut secrets = Vec::new();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "image" => image = value.into_owned(),
                "namespace" => namespace = value.into_owned(),
                "secret" => secrets.push(value.into_owned()),
                _ => {}
            }
        }
        let plain = "text/plain; charset=utf-8";
        Some(match self.learner.ask(&image, &namespace, &secrets) {
            Answer::Known(document) => {
                HttpResponse::Ok().content_type("application/yaml").body(document)
            }
            Answer::Reading => {
                HttpResponse::Accepted().content_type(plain).body("it is being read\n")
            }
            Answer::Unknown => {
                HttpResponse::NotFound().content_type(plain).body("nothing is known of it\n")
            }
        })
    }
}
