//! From a socket to the application: actix-server's workers, TLS, [`Connection`], and
//! actix-web on top.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::{HttpService, KeepAlive, Request};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, map_config,
};
use actix_web::dev::{AppConfig, Server, ServiceResponse, fn_service};
use actix_web::web::{self, Data};
use actix_web::{App, Error};
use anyhow::Context as _;
use prometheus_client::metrics::counter::Counter;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::config::Config;
use super::connection::{Connection, OnRefusal, Timeouts};
use super::http::{self, Hook};
use super::limits::{Budget, Slot, Slots};
use super::metrics::Metrics;
use super::ops::{self, Ops};

/// Connections the kernel queues until they are accepted; its own limit is often lower.
const BACKLOG: u32 = 1024;

/// Timeout for shutting down a closing connection.
const DISCONNECT: Duration = Duration::from_secs(1);

/// Bytes of an answer that a connection buffers while the client takes the rest. Up to as many
/// again are buffered encrypted.
const WRITE_BUFFER: usize = 16 * 1024;

/// Budget for the growth of all connections' buffers together. It suffices for a hundred clients at
/// a time that send more than a few ordinary requests, have long heads, or are slow to read.
pub(super) const BUFFERS_TOTAL: usize = 8 << 20;

/// Maximum number of the ops listener's connections: probes and scrapes, each closed after its
/// answer.
const OPS_CONNECTIONS: usize = 64;

/// Listens on `address`.
pub(super) fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    listen().with_context(|| format!("cannot listen on `{address}`"))
}

/// Limits and deadlines that every connection of a listener is subject to.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) slots: Arc<Slots>,
    /// Connection metrics, if enabled.
    pub(super) metrics: Option<Arc<Metrics>>,
    pub(super) timeouts: Timeouts,
    pub(super) closing: CancellationToken,
    /// Budget for the growth of the connections' buffers together.
    pub(super) buffers: Arc<Budget>,
}

impl Door {
    fn enter(&self) -> Option<Slot> {
        let slot = self.slots.take();
        let overflow = slot.as_ref().map(Slot::is_overflow);
        self.count(|metrics| match overflow {
            Some(true) => Some(&metrics.connections_over_limit),
            Some(false) => None,
            None => Some(&metrics.connections_dropped),
        });
        slot
    }

    fn count(&self, which: impl FnOnce(&Metrics) -> Option<&Counter>) {
        if let Some(counter) = self.metrics.as_deref().and_then(which) {
            counter.inc();
        }
    }

    fn connection<S>(&self, stream: S, slot: Slot) -> Connection<S> {
        let metrics = self.metrics.clone();
        let on_refusal: OnRefusal = Rc::new(move |code| {
            if let Some(metrics) = &metrics {
                metrics.http_error(code);
            }
        });
        Connection::new(stream, slot, self.timeouts, &self.closing, &self.buffers, on_refusal)
    }

    async fn tls(
        self,
        acceptor: TlsAcceptor,
        tcp: TcpStream,
    ) -> Result<(Connection<TlsStream<TcpStream>>, Option<SocketAddr>), ()> {
        let slot = self.enter().ok_or(())?;
        let peer = tcp.peer_addr().ok();
        // Answers are small and whole, so waiting for more to send only costs time.
        let _not_vital = tcp.set_nodelay(true);
        let accept = acceptor.accept_with(tcp, |tls| tls.set_buffer_limit(Some(WRITE_BUFFER)));
        match timeout(self.timeouts.handshake, accept).await {
            Ok(Ok(stream)) => Ok((self.connection(stream, slot), peer)),
            Ok(Err(error)) => {
                self.count(|metrics| Some(&metrics.handshake_failures));
                debug!(?peer, %error, "the TLS handshake failed");
                Err(())
            }
            Err(_) => {
                self.count(|metrics| Some(&metrics.handshake_failures));
                debug!(?peer, "the TLS handshake took too long");
                Err(())
            }
        }
    }

    async fn plain(
        self,
        tcp: TcpStream,
    ) -> Result<(Connection<TcpStream>, Option<SocketAddr>), ()> {
        let slot = self.enter().ok_or(())?;
        let peer = tcp.peer_addr().ok();
        Ok((self.connection(tcp, slot), peer))
    }
}

/// The webhook's server, not yet polled.
pub(super) fn webhook(
    socket: TcpListener,
    door: Door,
    tls: ServerConfig,
    hook: Arc<Hook>,
    config: &Config,
) -> anyhow::Result<Server> {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let whole_seconds = config.shutdown_timeout.as_secs_f64().ceil() as u64;
    let builder =
        Server::build().workers(config.workers).disable_signals().shutdown_timeout(whole_seconds);
    let builder = builder.listen("webhook", socket, move || {
        let hook = Data::from(Arc::clone(&hook));
        let app = App::new().app_data(hook).default_service(web::to(http::answer));
        let (door, acceptor) = (door.clone(), acceptor.clone());
        fn_service(move |tcp| door.clone().tls(acceptor.clone(), tcp)).and_then(application(app))
    });
    Ok(builder.context("cannot serve the webhook's listener")?.run())
}

/// The ops listener's server, not yet polled.
pub(super) fn ops(
    socket: TcpListener,
    ops: Arc<Ops>,
    timeouts: Timeouts,
) -> anyhow::Result<Server> {
    let door = Door {
        slots: Slots::new(OPS_CONNECTIONS, 0),
        // The webhook's metrics do not count these connections.
        metrics: None,
        timeouts,
        closing: CancellationToken::new(),
        buffers: Budget::new(BUFFERS_TOTAL),
    };
    let builder = Server::build().workers(1).disable_signals();
    let builder = builder.listen("ops", socket, move || {
        let data = Data::from(Arc::clone(&ops));
        let app = App::new().app_data(data).default_service(web::to(ops::answer));
        let door = door.clone();
        fn_service(move |tcp| door.clone().plain(tcp)).and_then(application(app))
    });
    Ok(builder.context("cannot serve the ops listener")?.run())
}

/// An actix-web application over [`Connection`]s. They keep the deadlines. The dispatcher's own
/// timers are off, except for the one of a closing connection.
fn application<T, A, S, B>(
    app: A,
) -> impl ServiceFactory<
    (Connection<T>, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = (),
    InitError = (),
>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    A: IntoServiceFactory<S, Request>,
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let app = app.into_factory().map_err(|error: Error| error.error_response());
    HttpService::build()
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(DISCONNECT)
        .h1_write_buffer_size(WRITE_BUFFER)
        .on_connect_ext(|connection: &Connection<T>, data| {
            data.insert(connection.talk());
        })
        .h1(map_config(app, |()| AppConfig::default()))
        .map_err(|error| debug!(%error, "a connection ended early"))
}
