//! Several things side by side, as many as there are processors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What `work` makes of each of `items`, in their order.
///
/// # Panics
/// When `work` does.
pub(crate) fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let lanes = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let next = AtomicUsize::new(0);
    let lane = || {
        let take = || {
            let place = next.fetch_add(1, Ordering::Relaxed);
            items.get(place).map(|item| (place, item))
        };
        let each = std::iter::from_fn(take);
        each.map(|(place, item)| (place, work(item))).collect::<Vec<_>>()
    };
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().flat_map(|lane| lane.join().expect("a lane to its end")).collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once_and_told_in_order() {
        let items: Vec<u32> = (0..100).collect();
        assert_eq!(side_by_side(&items, |item| item * 2), (0..200).step_by(2).collect::<Vec<_>>());
        assert_eq!(side_by_side(&[0; 0], |item: &i32| *item), [0; 0]);
    }
}
