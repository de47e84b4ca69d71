//! Where every event passes: numbered, remembered, handed to who listens.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast::{self, error::RecvError};

use super::{Event, EventKind};

/// Past events that are kept in memory.
pub const HISTORY: usize = 10_000;

/// Events a subscriber may be behind before it misses some.
const BACKLOG: usize = 4_096;

/// The one place that numbers events. Publishing never waits for a subscriber.
#[derive(Debug)]
pub struct EventHub {
    past: Mutex<Past>,
    live: broadcast::Sender<Arc<Event>>,
    counts: [AtomicU64; EventKind::ALL.len()],
    skipped: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Past {
    numbered: u64,
    events: VecDeque<Arc<Event>>,
}

/// New events for one listener.
#[derive(Debug)]
pub struct Subscription {
    live: broadcast::Receiver<Arc<Event>>,
    skipped: Arc<AtomicU64>,
}

/// What a listener gets next.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// The next event.
    Event(Arc<Event>),
    /// The listener was too slow and missed so many.
    Skipped(u64),
}

// === impl EventHub ===

impl Default for EventHub {
    fn default() -> Self {
        let (live, _) = broadcast::channel(BACKLOG);
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        Self { past: Mutex::default(), live, counts, skipped: Arc::default() }
    }
}

impl EventHub {
    /// Numbers the event, remembers it and hands it on.
    pub fn publish(&self, mut event: Event) -> Arc<Event> {
        self.counts[event.kind as usize].fetch_add(1, Ordering::Relaxed);
        let mut past = self.past();
        past.numbered += 1;
        event.seq = past.numbered;
        let event = Arc::new(event);
        if past.events.len() == HISTORY {
            past.events.pop_front();
        }
        past.events.push_back(Arc::clone(&event));
        // Under the lock, so that listeners see the order of the numbers. An
        // error only says that nobody listens.
        drop(self.live.send(Arc::clone(&event)));
        event
    }

    /// The events kept, oldest first, and every later one without a gap.
    pub fn subscribe(&self) -> (Vec<Arc<Event>>, Subscription) {
        let past = self.past();
        let live = self.live.subscribe();
        let subscription = Subscription { live, skipped: Arc::clone(&self.skipped) };
        (past.events.iter().cloned().collect(), subscription)
    }

    /// Events of this kind since the daemon started.
    pub fn count(&self, kind: EventKind) -> u64 {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }

    /// Events that slow subscribers missed.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// A panic while the lock was held cannot leave half an event behind.
    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Subscription ===

impl Subscription {
    /// Waits for the next event; `None` when the hub is gone.
    pub async fn next(&mut self) -> Option<Delivery> {
        match self.live.recv().await {
            Ok(event) => Some(Delivery::Event(event)),
            Err(RecvError::Lagged(missed)) => {
                self.skipped.fetch_add(missed, Ordering::Relaxed);
                Some(Delivery::Skipped(missed))
            }
            Err(RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event::now(EventKind::Denied, "")
    }

    #[tokio::test]
    async fn past_and_new_events_come_without_gap_or_double() {
        let hub = EventHub::default();
        hub.publish(event());
        let (past, mut new) = hub.subscribe();
        hub.publish(event());
        assert_eq!(past.iter().map(|e| e.seq).collect::<Vec<_>>(), [1]);
        let Some(Delivery::Event(next)) = new.next().await else { panic!("an event is there") };
        assert_eq!(next.seq, 2);
        assert_eq!((hub.count(EventKind::Denied), hub.count(EventKind::Lost)), (2, 0));
    }

    #[tokio::test]
    async fn a_slow_listener_is_told_how_many_it_missed() {
        let hub = EventHub::default();
        let (_, mut slow) = hub.subscribe();
        for _ in 0..BACKLOG + 7 {
            hub.publish(event());
        }
        assert_eq!(slow.next().await, Some(Delivery::Skipped(7)));
        let Some(Delivery::Event(next)) = slow.next().await else { panic!("an event is there") };
        assert_eq!((next.seq, hub.skipped()), (8, 7));
    }

    #[test]
    fn the_history_keeps_the_newest() {
        let hub = EventHub::default();
        for _ in 0..HISTORY + 3 {
            hub.publish(event());
        }
        let (past, _) = hub.subscribe();
        assert_eq!((past.len(), past[0].seq), (HISTORY, 4));
    }
}
