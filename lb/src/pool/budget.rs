//! How many requests may be sent once more: a share of all requests, so that a sick cluster is not drowned in repetitions.
//! Pure; the time is an argument.

use crate::limits::{RETRY_BUDGET_FLOOR_PER_SECOND, RETRY_BUDGET_PERCENT, RETRY_BUDGET_SECONDS};

/// Requests and repetitions of the last seconds.
#[derive(Debug, Default)]
pub struct Budget {
    seconds: [Second; RETRY_BUDGET_SECONDS as usize],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: u64,
    requests: u64,
    repetitions: u64,
}

impl Budget {
    /// A request came.
    pub fn request(&mut self, now_ms: u64) {
        self.second(now_ms).requests += 1;
    }

    /// Takes one repetition out of the budget; false when there is none left.
    pub fn spend(&mut self, now_ms: u64) -> bool {
        let (requests, repetitions) = self.sums(now_ms);
        let allowed = requests * RETRY_BUDGET_PERCENT / 100 + RETRY_BUDGET_FLOOR_PER_SECOND * RETRY_BUDGET_SECONDS;
        let is_left = repetitions < allowed;
        if is_left {
            self.second(now_ms).repetitions += 1;
        }
        is_left
    }

    fn second(&mut self, now_ms: u64) -> &mut Second {
        let number = now_ms / 1_000;
        let second = &mut self.seconds[position(number)];
        if second.number != number {
            *second = Second {
                number,
                ..Second::default()
            };
        }
        second
    }

    fn sums(&self, now_ms: u64) -> (u64, u64) {
        let now = now_ms / 1_000;
        self.seconds
            .iter()
            .filter(|second| now.saturating_sub(second.number) < RETRY_BUDGET_SECONDS)
            .fold((0, 0), |(requests, repetitions), second| {
                (requests + second.requests, repetitions + second.repetitions)
            })
    }
}

fn position(number: u64) -> usize {
    usize::try_from(number % RETRY_BUDGET_SECONDS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLOOR: u64 = RETRY_BUDGET_FLOOR_PER_SECOND * RETRY_BUDGET_SECONDS;

    fn spent(budget: &mut Budget, now_ms: u64) -> u64 {
        let mut count = 0;
        while budget.spend(now_ms) {
            count += 1;
        }
        count
    }

    #[test]
    fn without_requests_the_floor_is_left_and_no_more() {
        let mut budget = Budget::default();
        assert_eq!(spent(&mut budget, 0), FLOOR);
        assert_eq!(spent(&mut budget, RETRY_BUDGET_SECONDS * 1_000 - 1), 0);
        assert_eq!(spent(&mut budget, RETRY_BUDGET_SECONDS * 1_000), FLOOR);
    }

    #[test]
    fn a_fifth_of_the_requests_may_be_repeated() {
        let mut budget = Budget::default();
        (0..1_000).for_each(|_| budget.request(500));
        assert_eq!(spent(&mut budget, 900), 200 + FLOOR);
    }

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Request,
        Repetition,
    }

    proptest! {
        // Time only goes forward, in steps of up to half a second.
        #[test]
        fn no_ten_seconds_see_more_repetitions_than_the_budget(
            steps in prop::collection::vec((0u64..500, any::<bool>()), 1..600)
        ) {
            let mut budget = Budget::default();
            let mut now_ms = 0;
            let mut seen: Vec<(u64, Event)> = Vec::new();
            for (step, is_request) in steps {
                now_ms += step;
                if is_request {
                    budget.request(now_ms);
                    seen.push((now_ms / 1_000, Event::Request));
                } else if budget.spend(now_ms) {
                    seen.push((now_ms / 1_000, Event::Repetition));
                    let count = |wanted: fn(Event) -> bool| {
                        let recent = seen.iter().filter(|(second, event)| {
                            now_ms / 1_000 - second < RETRY_BUDGET_SECONDS && wanted(*event)
                        });
                        u64::try_from(recent.count()).expect("small")
                    };
                    let requests = count(|event| matches!(event, Event::Request));
                    let repetitions = count(|event| matches!(event, Event::Repetition));
                    prop_assert!(repetitions <= requests * RETRY_BUDGET_PERCENT / 100 + FLOOR);
                }
            }
        }

        #[test]
        fn the_floor_is_always_left_after_a_quiet_while(requests in 0u64..1_000, spend in 0u64..1_000) {
            let mut budget = Budget::default();
            (0..requests).for_each(|_| budget.request(0));
            (0..spend).for_each(|_| {
                budget.spend(0);
            });
            prop_assert_eq!(spent(&mut budget, RETRY_BUDGET_SECONDS * 1_000), FLOOR);
        }
    }
}
