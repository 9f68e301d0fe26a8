//! What a cluster is: its size and its ports. Fixed when it is made; a later `up` on the same folder must agree.

use crate::entropy;
use crate::error::{Error, Result};
use crate::files;
use crate::layout::Layout;
use crate::limits::{LBS_MAX, NODES_MAX};
use crate::ports::Ports;
use serde::{Deserialize, Serialize};

/// Nodes of a cluster when nothing else is asked for.
pub const NODES_DEFAULT: u16 = 3;
/// Load balancers of a cluster when nothing else is asked for.
pub const LBS_DEFAULT: u16 = 2;

/// What was asked for; `None` where the caller has no wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// How many nodes.
    pub nodes: Option<u16>,
    /// How many load balancers.
    pub lbs: Option<u16>,
    /// First port of its block.
    pub base_port: Option<u16>,
}

/// What a cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// 32 hexadecimal characters.
    pub cluster_id: String,
    /// How many nodes.
    pub nodes: u16,
    /// How many load balancers.
    pub lbs: u16,
    /// First port of its block, or the well-known ports.
    pub base_port: Option<u16>,
}

impl Settings {
    /// A new cluster as wished.
    ///
    /// # Errors
    /// Refuses sizes and ports out of range.
    pub fn fresh(wish: Wish) -> Result<Self> {
        let nodes = within("--nodes", wish.nodes.unwrap_or(NODES_DEFAULT), NODES_MAX)?;
        let lbs = within("--lbs", wish.lbs.unwrap_or(LBS_DEFAULT), LBS_MAX)?;
        Ports::new(wish.base_port)?;
        Ok(Self {
            cluster_id: entropy::hex::<16>()?,
            nodes,
            lbs,
            base_port: wish.base_port,
        })
    }

    /// The cluster that lies in the folder, if one does.
    ///
    /// # Errors
    /// The file cannot be read or is not ours.
    pub fn load(layout: &Layout) -> Result<Option<Self>> {
        let Some(text) = files::read(&layout.settings())? else {
            return Ok(None);
        };
        serde_json::from_str(&text).map(Some).map_err(|e| {
            Error::refused(format!(
                "{} is damaged ({e}): start anew with --fresh, which deletes its data",
                layout.settings().display()
            ))
        })
    }

    /// Remembers them in the folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(&self, layout: &Layout) -> Result<()> {
        let text =
            serde_json::to_string_pretty(self).map_err(|e| Error::fault(format!("cannot write settings: {e}")))?;
        files::write(&layout.settings(), text.as_bytes())
    }

    /// Refuses a wish that this cluster does not fulfil.
    ///
    /// # Errors
    /// Names what is wished and what there is.
    pub fn must_satisfy(&self, wish: Wish, layout: &Layout) -> Result<()> {
        let clash = |option: &str, wished: Option<u16>, is: Option<u16>| match wished {
            Some(w) if Some(w) != is => {
                let is = is.map_or_else(|| "the well-known ports".to_owned(), |v| v.to_string());
                Err(Error::refused(format!(
                    "{option} {w} was asked for, but the cluster in {} has {is}: leave the option out, use another --dir, or start anew with --fresh, which deletes its data",
                    layout.root().display()
                )))
            }
            None | Some(_) => Ok(()),
        };
        clash("--nodes", wish.nodes, Some(self.nodes))?;
        clash("--lbs", wish.lbs, Some(self.lbs))?;
        clash("--base-port", wish.base_port, self.base_port)
    }

    /// Its ports.
    ///
    /// # Errors
    /// The stored base port is out of range.
    pub fn ports(&self) -> Result<Ports> {
        Ports::new(self.base_port)
    }

    /// `node-1`, `node-2`, …
    #[must_use]
    pub fn node_names(&self) -> Vec<String> {
        (1..=self.nodes).map(|i| format!("node-{i}")).collect()
    }

    /// `lb-1`, `lb-2`, …
    #[must_use]
    pub fn lb_names(&self) -> Vec<String> {
        (1..=self.lbs).map(|i| format!("lb-{i}")).collect()
    }
}

fn within(option: &str, value: u16, max: u16) -> Result<u16> {
    if (1..=max).contains(&value) {
        return Ok(value);
    }
    Err(Error::refused(format!(
        "{option} {value} is out of range: give a number from 1 to {max}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_cluster_is_read_back_and_other_wishes_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        assert_eq!(Settings::load(&layout).unwrap(), None);
        let made = Settings::fresh(Wish {
            nodes: Some(5),
            ..Wish::default()
        })
        .unwrap();
        made.save(&layout).unwrap();
        assert_eq!(Settings::load(&layout).unwrap().as_ref(), Some(&made));
        made.must_satisfy(Wish::default(), &layout).unwrap();
        made.must_satisfy(
            Wish {
                nodes: Some(5),
                lbs: Some(2),
                base_port: None,
            },
            &layout,
        )
        .unwrap();
        let message = made
            .must_satisfy(
                Wish {
                    nodes: Some(3),
                    ..Wish::default()
                },
                &layout,
            )
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("--nodes 3") && message.contains("has 5") && message.contains("--fresh"),
            "{message}"
        );
        assert!(
            made.must_satisfy(
                Wish {
                    base_port: Some(9000),
                    ..Wish::default()
                },
                &layout
            )
            .is_err()
        );
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        for wish in [
            Wish {
                nodes: Some(0),
                ..Wish::default()
            },
            Wish {
                lbs: Some(10),
                ..Wish::default()
            },
        ] {
            assert!(Settings::fresh(wish).is_err());
        }
    }
}
