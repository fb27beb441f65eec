//! Answers of the API server, as HTTP has them.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::json;

/// An object.
pub fn whole(out: &mut TcpStream, code: u16, body: &str) -> std::io::Result<()> {
    write!(
        out,
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A failure.
pub fn status(out: &mut TcpStream, code: u16, message: &str) -> std::io::Result<()> {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        _ => "Invalid",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    whole(out, code, &body.to_string())
}
