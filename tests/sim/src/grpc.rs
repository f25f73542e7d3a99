//! Envoy's own answers to gRPC calls.

use crate::headers::Headers;

/// What Envoy answers to a gRPC call where it would answer another request with this status and body: headers alone,
/// whose `grpc-status` is its translation of the status.
pub(crate) fn local_reply(status: u16, body: &[u8]) -> Headers {
    // Envoy's Grpc::Utility::httpToGrpcStatus.
    let translated = match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    };
    let mut headers = Headers::from([(":status", "200"), ("content-type", "application/grpc")]);
    headers.add("grpc-status", translated.to_string());
    if !body.is_empty() {
        headers.add("grpc-message", body);
    }
    headers
}
