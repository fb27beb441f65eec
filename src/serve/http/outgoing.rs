//! An answer on its way to the client.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

use crate::serve::limits::Reservation;

/// Maximum size of an answer that is handed over whole: the connection's own buffers hold it.
/// Nearly every answer is below this size. Larger ones are sent in pieces of it.
const PIECE: usize = 8 * 1024;

/// Body of an answer. A long one is sent piece by piece as the client takes it, and counts against
/// the budget of bodies until it is gone: clients that read nothing must not add up to memory.
///
/// `None` when the budget has no room for it.
pub(super) fn body(mut answer: Vec<u8>, mut reservation: Reservation) -> Option<BoxBody> {
    if answer.len() <= PIECE {
        return Some(BoxBody::new(answer));
    }
    // The buffer grew while the answer was written, and may have twice the capacity needed.
    answer.shrink_to_fit();
    let fits = reservation.resize(answer.len());
    fits.then(|| BoxBody::new(Outgoing { rest: answer.into(), _reservation: reservation }))
}

struct Outgoing {
    rest: Bytes,
    _reservation: Reservation,
}

impl MessageBody for Outgoing {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let rest = &mut self.get_mut().rest;
        let piece = rest.split_to(rest.len().min(PIECE));
        Poll::Ready(if piece.is_empty() { None } else { Some(Ok(piece)) })
    }
}
