//! Stops a member at every write and flush of a plan, takes its disk through every kind of loss, and judges what comes
//! back; then stops it again while it comes back.
//!
//! Must give the same cases for the same options.

use super::drive::{Done, Driver};
use super::model::Model;
#[cfg(test)]
use super::mutation::Mutation;
use super::plan::{afterlife, plan};
#[cfg(test)]
use super::report::Failure;
use super::report::{Case, Report};
use super::{Options, Trouble};
use crate::disk::sim::{Loss, SimDisk};

/// Runs everything that the options ask for.
pub(crate) fn run(options: &Options) -> std::io::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let campaign = Campaign { options };
    let mut report = Report::default();
    for seed in options.first_seed..options.first_seed.saturating_add(options.seeds) {
        runtime.block_on(campaign.of_seed(seed, &mut report));
        if report.failures.len() >= options.failures_max {
            break;
        }
    }
    Ok(report)
}

struct Campaign<'a> {
    options: &'a Options,
}

impl Campaign<'_> {
    async fn of_seed(&self, seed: u64, report: &mut Report) {
        let (driver, whole) = self.life(seed, None).await;
        let points = driver.disk.points();
        report.seeds += 1;
        report.points += points;
        if let Err(trouble) = whole {
            report.fail(Case::new(seed, points, Loss::Kept), "nothing was stopped", &trouble);
            return;
        }
        for point in 0..points {
            if self.options.point.is_none_or(|only| only == point) {
                self.of_point(seed, point, report).await;
            }
            if report.failures.len() >= self.options.failures_max {
                return;
            }
        }
    }

    async fn of_point(&self, seed: u64, point: u64, report: &mut Report) {
        let (driver, stopped) = self.life(seed, Some(point)).await;
        let at = driver.disk.stopped_in();
        report.stopped_in(&at);
        let trouble = match stopped {
            Err(Trouble::Stopped) => None,
            Err(trouble) => Some(trouble),
            Ok(()) => Some(Trouble::Wrong("it went on without power".into())),
        };
        if let Some(trouble) = trouble {
            return report.fail(Case::new(seed, point, Loss::Kept), &at, &trouble);
        }
        for (place, loss) in self.losses(point).into_iter().enumerate() {
            let case = Case::new(seed, point, loss);
            let used = self.of_loss(&driver, case, &at, report).await;
            let nested = self.options.nested_every > 0
                && (point + place as u64).is_multiple_of(self.options.nested_every)
                && !matches!(loss, Loss::Scattered(_));
            let (Some(used), true) = (used, nested || self.options.then.is_some()) else {
                continue;
            };
            for second in 0..used {
                if self.options.then.is_none_or(|only| only == second) {
                    self.of_second(&driver, case, second, report).await;
                }
            }
        }
    }

    fn losses(&self, point: u64) -> Vec<Loss> {
        if let Some(only) = self.options.loss {
            return vec![only];
        }
        let mut losses = vec![Loss::Lost, Loss::Kept, Loss::Killed];
        for seed in 0..self.options.tears {
            losses.push(Loss::Torn(seed + point));
            losses.push(Loss::Scattered(seed + point));
        }
        losses
    }

    /// One crash; the number of points of the recovery from it.
    async fn of_loss(&self, driver: &Driver, case: Case, at: &str, report: &mut Report) -> Option<u64> {
        report.cases += 1;
        let (again, recovered) = self
            .recover(driver.disk.after(case.loss), &driver.model, case.loss, None)
            .await;
        match recovered {
            Ok(()) => {}
            // Writes that survive out of order are more than sled allows; that they are noticed is enough.
            Err(Trouble::Refused(_)) if matches!(case.loss, Loss::Scattered(_)) => {
                report.refused += 1;
                return None;
            }
            Err(trouble) => {
                report.fail(case, at, &trouble);
                return None;
            }
        }
        let points = again.disk.points();
        // What was found and done since is as good as acknowledged.
        let lost = again.disk.after(Loss::Lost);
        let mut last = Driver::new(lost, again.model.clone(), case.point, self.options.mutation);
        if let Err(trouble) = last.open(Loss::Lost).await {
            report.fail(case, &format!("{at}; after that, power lost"), &trouble);
        }
        Some(points)
    }

    /// A second crash, in the recovery from the first one.
    async fn of_second(&self, driver: &Driver, case: Case, second: u64, report: &mut Report) {
        let disk = driver.disk.after(case.loss);
        let (stopped, outcome) = self.recover(disk, &driver.model, case.loss, Some(second)).await;
        let at = stopped.disk.stopped_in();
        let losses = match self.options.then_loss {
            Some(only) => vec![only],
            None => vec![Loss::Lost, Loss::Torn(second ^ case.point)],
        };
        if !matches!(outcome, Err(Trouble::Stopped)) {
            let trouble = outcome
                .err()
                .unwrap_or_else(|| Trouble::Wrong("it went on without power".into()));
            return report.fail(case.then(second, Loss::Lost), &at, &trouble);
        }
        for loss in losses {
            report.cases += 1;
            report.nested += 1;
            let (_, recovered) = self.recover(stopped.disk.after(loss), &stopped.model, loss, None).await;
            if let Err(trouble) = recovered {
                report.fail(case.then(second, loss), &at, &trouble);
            }
        }
    }

    async fn life(&self, seed: u64, stop_at: Option<u64>) -> (Driver, Done) {
        let disk = SimDisk::new(seed);
        if let Some(point) = stop_at {
            disk.stop_at(point);
        }
        let mut driver = Driver::new(disk, Model::default(), seed, self.options.mutation);
        let done = match driver.open(Loss::Kept).await {
            Ok(()) => driver.run(&plan(seed)).await,
            Err(trouble) => Err(trouble),
        };
        driver.member = None;
        (driver, done)
    }

    async fn recover(&self, disk: SimDisk, model: &Model, loss: Loss, stop_at: Option<u64>) -> (Driver, Done) {
        if let Some(point) = stop_at {
            disk.stop_at(point);
        }
        let mut driver = Driver::new(disk, model.clone(), 7, self.options.mutation);
        let done = match driver.open(loss).await {
            Ok(()) => driver.run(&afterlife()).await,
            Err(trouble) => Err(trouble),
        };
        driver.member = None;
        (driver, done)
    }
}

/// Whether the checks see a mistake made on purpose, and how.
#[cfg(test)]
pub(crate) fn catches(mutation: Mutation) -> std::io::Result<Option<Failure>> {
    let options = Options {
        mutation: Some(mutation),
        failures_max: 1,
        ..Options::quick()
    };
    Ok(run(&options)?.failures.into_iter().next())
}
