//! A call: what the client says and what it gets.

use super::stream::Fed;
use super::{GrpcClient, GrpcMethod, GrpcNote};
use crate::client::{ClientError, bounded};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use std::error::Error;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

/// So many notes fit between a test and its call.
const NOTES: usize = 1000;

/// A call to be made.
#[derive(Clone, Debug)]
pub struct GrpcCall {
    method: GrpcMethod,
    texts: Vec<String>,
    metadata: HeaderMap,
    timeout: Option<Duration>,
}

impl GrpcCall {
    fn new<T: Into<String>>(method: GrpcMethod, texts: impl IntoIterator<Item = T>) -> Self {
        Self {
            method,
            texts: texts.into_iter().map(Into::into).collect(),
            metadata: HeaderMap::new(),
            timeout: None,
        }
    }

    /// The unary call.
    #[must_use]
    pub fn say(text: &str) -> Self {
        Self::new(GrpcMethod::Say, [text])
    }

    /// The server-streaming call.
    #[must_use]
    pub fn listen(text: &str) -> Self {
        Self::new(GrpcMethod::Listen, [text])
    }

    /// The client-streaming call, of these notes.
    #[must_use]
    pub fn collect<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::new(GrpcMethod::Collect, texts)
    }

    /// The bidirectional call, of these notes.
    #[must_use]
    pub fn chat<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::new(GrpcMethod::Chat, texts)
    }

    /// A call of any of these methods, with one note.
    #[must_use]
    pub fn of(method: GrpcMethod, text: &str) -> Self {
        Self::new(method, [text])
    }

    /// With this in the request's headers.
    ///
    /// # Panics
    /// Name or value are not what HTTP allows.
    #[must_use]
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata.append(
            name.parse::<HeaderName>().expect("a header's name"),
            HeaderValue::from_str(value).expect("a header's value"),
        );
        self
    }

    /// With `grpc-timeout`. The client itself does not look at it.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct GrpcAnswer {
    /// The status. Of a call that [broke off](Self::broken) it is the client's guess, mostly `Unknown`.
    pub code: Code,
    /// What the status says beside the code.
    pub message: String,
    /// All notes that came.
    pub notes: Vec<GrpcNote>,
    /// The answer's headers; of trailers-only without the status.
    pub metadata: HeaderMap,
    /// The trailers. `grpc-status` is only among those that say `OK`.
    pub trailers: HeaderMap,
    /// Whether the status came in the headers, and nothing more.
    pub trailers_only: bool,
    /// Whether the stream was reset or the connection broke.
    pub broken: bool,
}

impl GrpcAnswer {
    /// The name of the upstream that gave it.
    #[must_use]
    pub fn upstream(&self) -> &str {
        text(&self.metadata, "x-upstream").unwrap_or_default()
    }

    /// The notes' texts.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        self.notes.iter().map(|note| note.text.as_str()).collect()
    }

    /// The first value of this name in the headers, else in the trailers, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        text(&self.metadata, name).or_else(|| text(&self.trailers, name))
    }

    fn of(status: &Status) -> Self {
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            notes: Vec::new(),
            metadata: HeaderMap::new(),
            trailers: HeaderMap::new(),
            trailers_only: false,
            broken: status.source().is_some(),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A call under way. Dropped, it is cancelled: its stream is reset.
#[derive(Debug)]
pub struct GrpcStream {
    say: Option<mpsc::Sender<GrpcNote>>,
    heard: mpsc::Receiver<GrpcNote>,
    /// Ends with this value.
    task: JoinSet<GrpcAnswer>,
}

impl GrpcStream {
    pub(super) fn open(client: GrpcClient, call: GrpcCall) -> Self {
        let (say, said) = mpsc::channel(NOTES);
        let (hear, heard) = mpsc::channel(NOTES);
        for text in call.texts {
            // More than fit is more than any test has.
            let _ = say.try_send(note(&text));
        }
        let several = matches!(call.method, GrpcMethod::Collect | GrpcMethod::Chat);
        let mut request = tonic::Request::new(Fed(said));
        *request.metadata_mut() = MetadataMap::from_headers(call.metadata);
        if let Some(time) = call.timeout {
            request.set_timeout(time);
        }
        let mut task = JoinSet::new();
        task.spawn(async move { run(&client, call.method, request, &hear).await });
        Self {
            say: Some(say).filter(|_| several),
            heard,
            task,
        }
    }

    /// Sends one note more.
    ///
    /// # Panics
    /// The method takes but one, or [`finish`](Self::finish) was said.
    pub async fn say(&mut self, text: &str) {
        let say = self.say.as_ref().expect("a call that takes more notes");
        // The call is over: its answer says how.
        let _ = say.send(note(text)).await;
    }

    /// Says that no more notes follow.
    pub fn finish(&mut self) {
        self.say = None;
    }

    /// Waits for the next note; `None`: the call is over.
    ///
    /// # Errors
    /// It took longer than any test should.
    pub async fn next(&mut self) -> Result<Option<GrpcNote>, ClientError> {
        bounded(async { Ok(self.heard.recv().await) }).await
    }

    /// Says that no more notes follow, and waits for the end. The answer has all notes, also those that
    /// [`next`](Self::next) gave.
    ///
    /// # Errors
    /// It took longer than any test should.
    ///
    /// # Panics
    /// tonic did.
    pub async fn end(mut self) -> Result<GrpcAnswer, ClientError> {
        self.finish();
        bounded(async {
            let answer = self.task.join_next().await.expect("one task");
            Ok(answer.expect("no panic in here"))
        })
        .await
    }
}

fn note(text: &str) -> GrpcNote {
    GrpcNote {
        text: text.to_owned(),
        from: String::new(),
    }
}

async fn run(
    client: &GrpcClient,
    method: GrpcMethod,
    request: tonic::Request<Fed<GrpcNote>>,
    hear: &mpsc::Sender<GrpcNote>,
) -> GrpcAnswer {
    let response = match client.headers(method, request).await {
        Ok(response) => response,
        Err(status) => {
            let mut answer = GrpcAnswer::of(&status);
            answer.metadata = status.metadata().clone().into_headers();
            answer.trailers_only = !answer.broken;
            return answer;
        }
    };
    let (metadata, mut stream, _) = response.into_parts();
    let mut notes = Vec::new();
    let end = loop {
        match stream.message().await {
            Ok(Some(note)) => {
                // Who does not listen gets them all with the answer.
                let _ = hear.try_send(note.clone());
                notes.push(note);
            }
            Ok(None) => break stream.trailers().await,
            Err(status) => break Err(status),
        }
    };
    let (status, trailers) = match end {
        Ok(trailers) => (Status::new(Code::Ok, ""), trailers.unwrap_or_default()),
        Err(status) => {
            let trailers = status.metadata().clone();
            (status, trailers)
        }
    };
    GrpcAnswer {
        notes,
        trailers_only: metadata.contains_key("grpc-status"),
        metadata: metadata.into_headers(),
        trailers: trailers.into_headers(),
        ..GrpcAnswer::of(&status)
    }
}
