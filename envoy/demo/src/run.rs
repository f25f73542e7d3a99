//! The run: the plot is played, Envoy is watched, and all of it is shown.

use crate::clock::Clock;
use crate::counts::Counts;
use crate::envoy::Envoy;
use crate::phase::{Phase, VICTIM, well};
use crate::sample::{self, SampleChanged};
use crate::show::Show;
use crate::story::{LOOK_EVERY, Story};
use crate::traffic::Traffic;
use sidestep_support::{EnvoyError, Upstream};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::{fmt, io};

/// The traffic goes on for so long once all is well again, so that it can be seen.
const EPILOGUE: Duration = Duration::from_secs(4);
/// The module hands its figures over once a second.
const LAST_FIGURES: Duration = Duration::from_millis(1200);

/// Why the run can't be.
#[derive(thiserror::Error)]
pub(crate) enum RunError {
    /// Envoy.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
    /// Its configuration.
    #[error(transparent)]
    Sample(#[from] SampleChanged),
    /// The output, or files.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl fmt::Debug for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// All that takes part. It ends with its value.
#[derive(Debug)]
pub(crate) struct Stage {
    envoy: Envoy,
    upstreams: [Upstream; 3],
    hosts: [SocketAddr; 3],
}

impl Stage {
    /// Starts the hosts and Envoy.
    pub(crate) async fn set() -> Result<Self, RunError> {
        let module = sidestep_support::wasm();
        if !module.is_file() {
            return Err(EnvoyError::NoModule(module).into());
        }
        let upstreams = [
            Upstream::http1("host 1").await,
            Upstream::http1("host 2").await,
            Upstream::http1("host 3").await,
        ];
        for upstream in &upstreams {
            upstream.set(well());
        }
        let hosts = upstreams.each_ref().map(Upstream::address);
        let envoy = Envoy::start(&sample::configuration(&hosts, &module)?).await?;
        Ok(Self {
            envoy,
            upstreams,
            hosts,
        })
    }

    /// Starts the traffic.
    pub(crate) fn begin(&self) -> Result<Story, RunError> {
        let clients = [self.envoy.listener("ingress")?, self.envoy.listener("without")?];
        let clock = Clock::start();
        Ok(Story::new(clock, self.hosts, Traffic::start(clock, clients)))
    }

    /// Plays all phases.
    pub(crate) async fn play(&mut self, story: &mut Story, show: &mut Show) -> Result<(), RunError> {
        for phase in Phase::ALL {
            self.look(story).await?;
            story.enter(phase);
            phase.happen(&self.upstreams[VICTIM]).await;
            let mut settled = None;
            while story.in_phase() < phase.duration() {
                show.show(story)?;
                tokio::time::sleep(LOOK_EVERY).await;
                self.look(story).await?;
                if phase == Phase::ComesBack && story.is_settled() {
                    let since = settled.get_or_insert_with(Instant::now);
                    if since.elapsed() > EPILOGUE {
                        break;
                    }
                }
            }
        }
        story.traffic.end().await;
        tokio::time::sleep(LAST_FIGURES).await;
        Ok(())
    }

    /// Learns what Envoy has counted and logged by now.
    pub(crate) async fn look(&mut self, story: &mut Story) -> Result<(), RunError> {
        self.envoy.check()?;
        for line in self.envoy.new_log_lines()? {
            story.logged(&line);
        }
        let now = story.clock.now();
        story.counted(Counts::of(&self.envoy, &self.hosts, now).await?);
        Ok(())
    }
}
