// The peer Hyper: the origin contract on Tokio. One worker runs in the current-thread runtime; more of them in the
// work-stealing runtime (RUNTIME=steal, the default), or each in a current-thread runtime with a listener of its own
// (RUNTIME=shared-nothing).
use hyper::body::Bytes;
use hyper::header::{HeaderValue, CONTENT_LENGTH, CONTENT_TYPE};
use hyper::server::conn::Http;
use hyper::service::service_fn;
use hyper::{Body, Request, Response, StatusCode};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Builder;

static BODIES: OnceLock<[Bytes; 3]> = OnceLock::new();

fn text(body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

async fn answer(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let bodies = BODIES.get().expect("bodies are made before the server starts");
    Ok(match request.uri().path() {
        "/" => text(Bytes::from_static(b"Hello, World!")),
        "/1k" => text(bodies[0].clone()),
        "/64k" => text(bodies[1].clone()),
        "/1m" => text(bodies[2].clone()),
        "/echo" => {
            let length = request.headers().get(CONTENT_LENGTH).cloned();
            let mut response = Response::new(request.into_body());
            if let Some(length) = length {
                response.headers_mut().insert(CONTENT_LENGTH, length);
            }
            response
        }
        _ => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

fn listen(port: u16, shared: bool) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("socket");
    socket.set_reuseaddr(true).expect("SO_REUSEADDR");
    if shared {
        socket.set_reuseport(true).expect("SO_REUSEPORT");
    }
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).expect("bind");
    socket.listen(4096).expect("listen")
}

async fn serve(port: u16, shared: bool) {
    let listener = listen(port, shared);
    let mut http = Http::new();
    // PROTO=h2 speaks HTTP/2 by prior knowledge.
    if std::env::var("PROTO").as_deref() == Ok("h2") {
        http.http2_only(true).http2_max_concurrent_streams(1024);
    } else {
        http.http1_only(true).http1_keep_alive(true).pipeline_flush(true);
    }
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let http = http.clone();
        tokio::spawn(async move {
            let _ = http.serve_connection(stream, service_fn(answer)).await;
        });
    }
}

fn number(name: &str, default: u16) -> u16 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let port = number("PORT", 8080);
    let workers = usize::from(number("WORKERS", 1));
    let filled = |size: usize| Bytes::from(vec![b'x'; size]);
    BODIES.set([filled(1024), filled(65_536), filled(1_048_576)]).expect("set once");
    let single = || Builder::new_current_thread().enable_all().build().expect("runtime");
    if workers == 1 {
        return single().block_on(serve(port, false));
    }
    if std::env::var("RUNTIME").as_deref() == Ok("shared-nothing") {
        for _ in 1..workers {
            std::thread::spawn(move || single().block_on(serve(port, true)));
        }
        return single().block_on(serve(port, true));
    }
    let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build().expect("runtime");
    // The accept loop runs on a worker too, not on the thread that only waits.
    runtime.block_on(async { tokio::spawn(serve(port, false)).await.expect("accept loop") });
}
