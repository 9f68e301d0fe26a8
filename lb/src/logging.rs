//! JSON lines on standard output. Nothing here decides what is logged, except that libraries stay quiet: at their debug
//! levels they print whole requests, and requests hold passwords and tokens.

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging. Called once; a second call changes nothing.
pub fn start(level: Level) {
    let level = LevelFilter::from_level(level);
    let libraries = level.min(LevelFilter::WARN);
    let filter = Targets::new()
        .with_default(libraries)
        .with_target("access", level)
        .with_target("lb", level)
        .with_target("tfauth_lb", level);
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false);
    // Both fail only when a logger is installed already.
    let _ = tracing_log::LogTracer::init();
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
}
