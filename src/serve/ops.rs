//! The ops listener: `/healthz`, `/readyz` and `/metrics`, plain HTTP.

use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::connection::Talk;
use super::limits::{Budget, Slots};
use super::metrics::Metrics;
use super::readiness::Readiness;

/// State of a process, as its ops listener reports it.
pub trait Observed: Debug + Send + Sync {
    /// Whether `/readyz` answers 200.
    fn is_ready(&self) -> bool;

    /// Body of `/readyz`: a JSON object that says why not.
    fn report(&self) -> String;

    /// The body of `/metrics`.
    fn metrics(&self) -> String;

    /// A further page, if there is one at this path.
    fn page(&self, _path: &str, _query: &str) -> Option<HttpResponse> {
        None
    }
}

/// Source of the ops listener's answers.
#[derive(Debug)]
pub struct Ops(pub Arc<dyn Observed>);

/// State of the webhook, as its ops listener reports it.
#[derive(Debug)]
pub struct Webhook {
    /// Source of `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Source of `/readyz`.
    pub readiness: Arc<Readiness>,
    /// Connections of the webhook.
    pub slots: Arc<Slots>,
    /// Request bodies of the webhook.
    pub budget: Arc<Budget>,
}

/// Media type of `/metrics`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers every request of the ops listener.
pub async fn answer(request: HttpRequest, ops: Data<Ops>) -> HttpResponse {
    let talk = request.conn_data::<Rc<Talk>>();
    if let Some(talk) = talk {
        talk.handling();
    }
    let mut response = ops.answer(request.method(), request.path(), request.query_string());
    // Probes and scrapes are few. Closing after each leaves nothing to drain, and no
    // connection that could keep a probe out.
    response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
    if let Some(talk) = talk {
        talk.handled(true);
    }
    response
}

impl Ops {
    fn answer(&self, method: &Method, path: &str, query: &str) -> HttpResponse {
        if method == Method::GET
            && let Some(page) = self.0.page(path, query)
        {
            return page;
        }
        let mut found = match path {
            "/healthz" => HttpResponse::Ok(),
            "/readyz" if !self.0.is_ready() => HttpResponse::ServiceUnavailable(),
            "/readyz" | "/metrics" => HttpResponse::Ok(),
            _ => {
                return HttpResponse::NotFound()
                    .content_type("text/plain; charset=utf-8")
                    .body("no such path; there are /healthz, /readyz and /metrics\n");
            }
        };
        if !matches!(*method, Method::GET | Method::HEAD) {
            return HttpResponse::MethodNotAllowed()
                .content_type("text/plain; charset=utf-8")
                .body("only GET is allowed here\n");
        }
        match path {
            "/readyz" => found.content_type("application/json").body(self.0.report()),
            "/metrics" => found.content_type(OPENMETRICS).body(self.0.metrics()),
            _ => found.content_type("text/plain; charset=utf-8").body("ok\n"),
        }
    }
}

impl Observed for Webhook {
    fn is_ready(&self) -> bool {
        self.readiness.is_ready()
    }

    fn report(&self) -> String {
        self.readiness.report()
    }

    fn metrics(&self) -> String {
        let count = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.connections.set(count(self.slots.open()));
        self.metrics.body_bytes.set(count(self.budget.used()));
        self.metrics.encode()
    }
}
