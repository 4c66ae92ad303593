//! A network: the list of plugins that one file describes (spec: section 1, "Network configuration format").
//!
//! From text to [`NetworkList`], without touching files; [`crate::load()`] finds the text.

use crate::{
    error::{Error, Result},
    ident::{check_network_name, check_plugin_type},
    object::{Object, text_of, value_of},
    version::Version,
};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};
use std::collections::BTreeSet;

/// A network configuration, decoded and complete.
#[derive(Clone, Debug)]
pub struct NetworkList {
    /// The name of the network.
    pub name: String,
    /// The version that was negotiated: of every request and of the result.
    pub version: Version,
    /// CHECK is never to be run for this network.
    pub disable_check: bool,
    /// GC is never to be run for this network.
    pub disable_gc: bool,
    /// At least one, in the order of ADD.
    pub plugins: Vec<PluginConf>,
    /// The list as text, complete: what the cache keeps for clients that run DEL with the configuration of ADD.
    pub text: String,
}

/// One plugin of a list.
#[derive(Clone, Debug)]
pub struct PluginConf {
    /// `type`: the file name of the executable.
    pub plugin_type: String,
    /// The names that `capabilities` sets to true.
    pub capabilities: BTreeSet<String>,
    /// `ipam.type`, the plugin it delegates address management to.
    pub ipam_type: Option<String>,
    /// The whole object as it stands in the file.
    pub object: Object,
}

impl NetworkList {
    /// A list from the text of a `.conflist` file and the texts of the plugin objects that are to follow the inlined ones.
    ///
    /// # Errors
    /// A key that is missing or has a value that the specification does not allow. `inlined_only` is for the caller.
    pub fn parse(text: &str, following: &[(String, String)]) -> Result<Self> {
        let list = Object::parse(text.as_bytes()).map_err(not_an_object)?;
        let inlined = inlined_plugins(&list)?;
        if inlined.is_none() && following.is_empty() {
            return Err(Error::refused("plugins is missing, and no file adds any"));
        }
        let mut plugins = Vec::new();
        for (nth, raw) in inlined.iter().flatten().enumerate() {
            plugins.push(PluginConf::parse(raw.get()).map_err(|e| e.about(format!("plugins[{nth}]")))?);
        }
        for (origin, text) in following {
            plugins.push(PluginConf::parse(text).map_err(|e| e.about(origin))?);
        }
        Ok(Self {
            name: name_of(&list)?,
            version: Version::negotiate(&text_at(&list, "cniVersion")?, &versions_of(&list)?)?,
            disable_check: flag(&list, "disableCheck")?,
            disable_gc: flag(&list, "disableGC")?,
            text: if following.is_empty() { text.to_owned() } else { with_plugins(list, &plugins)? },
            plugins,
        })
    }

    /// A list of one plugin from the text of a `.conf` or `.json` file, the form that the specification had before 1.0.0.
    ///
    /// # Errors
    /// As [`NetworkList::parse`]; a text that is a list.
    pub fn parse_single(text: &str) -> Result<Self> {
        let object = Object::parse(text.as_bytes()).map_err(not_an_object)?;
        if object.get("plugins").is_some() && object.get_any_case("type").is_none() {
            return Err(Error::refused("plugins makes it a list, allowed in a file named .conflist only"));
        }
        let mut list = Object::new();
        for key in ["name", "cniVersion"] {
            if let Some(value) = object.get_any_case(key) {
                list.set(key, value.to_owned());
            }
        }
        list.set_value("plugins", &[&object]).map_err(not_an_object)?;
        Self::parse(&list.to_string(), &[])
    }

    /// Whether `loadOnlyInlinedPlugins` keeps plugins of other files out of the list that `text` holds.
    ///
    /// # Errors
    /// Neither a boolean nor `"true"` or `"false"`.
    pub fn inlined_only(list: &Object) -> Result<bool> {
        flag(list, "loadOnlyInlinedPlugins")
    }
}

impl PluginConf {
    /// A plugin object from its text. Keys are matched in any case, as plugins do.
    ///
    /// # Errors
    /// No `type` or one with separators; `capabilities` that are not booleans; an `ipam.type` with separators.
    pub fn parse(text: &str) -> Result<Self> {
        let object = Object::parse(text.as_bytes()).map_err(not_an_object)?;
        let plugin_type = object.get_any_case("type").ok_or_else(|| Error::refused("type is missing"))?;
        let plugin_type = text_of(plugin_type).ok_or_else(|| wrong("type", plugin_type, "a string"))?;
        check_plugin_type(&plugin_type)?;
        let (capabilities, ipam_type) = (capabilities(&object)?, ipam_type(&object)?);
        Ok(Self { plugin_type, capabilities, ipam_type, object })
    }
}

/// The `name` of a list or, in any case, of a plugin object; not yet checked for its characters.
pub(crate) fn unchecked_name(object: &Object) -> Option<String> {
    object.get("name").or_else(|| object.get_any_case("name")).and_then(text_of)
}

fn name_of(list: &Object) -> Result<String> {
    let raw = list.get("name").ok_or_else(|| Error::refused("name is missing"))?;
    let name = text_of(raw).ok_or_else(|| wrong("name", raw, "a string"))?;
    check_network_name(&name).map(|()| name)
}

fn inlined_plugins(list: &Object) -> Result<Option<Vec<Box<RawValue>>>> {
    let Some(raw) = list.get("plugins") else { return Ok(None) };
    let plugins: Vec<Box<RawValue>> =
        serde_json::from_str(raw.get()).map_err(|_| wrong("plugins", raw, "a list of objects"))?;
    if plugins.is_empty() { Err(Error::refused("plugins is empty, at least one is needed")) } else { Ok(Some(plugins)) }
}

fn text_at(list: &Object, key: &str) -> Result<String> {
    list.get(key).map_or(Ok(String::new()), |raw| text_of(raw).ok_or_else(|| wrong(key, raw, "a string")))
}

fn versions_of(list: &Object) -> Result<Vec<String>> {
    let Some(raw) = list.get("cniVersions") else { return Ok(Vec::new()) };
    serde_json::from_str(raw.get()).map_err(|_| wrong("cniVersions", raw, "a list of strings"))
}

/// A boolean, which versions up to 0.4.0 wrote as a string.
fn flag(list: &Object, key: &str) -> Result<bool> {
    let Some(raw) = list.get(key) else { return Ok(false) };
    match value_of(raw) {
        Ok(Value::Bool(flag)) => Ok(flag),
        Ok(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Ok(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(wrong(key, raw, "true and false")),
    }
}

fn capabilities(object: &Object) -> Result<BTreeSet<String>> {
    let Some(raw) = object.get_any_case("capabilities") else { return Ok(BTreeSet::new()) };
    let refuse = || wrong("capabilities", raw, "an object of true and false");
    let given = Object::parse(raw.get().as_bytes()).map_err(|_| refuse())?;
    let mut enabled = BTreeSet::new();
    for (name, value) in given.iter() {
        if serde_json::from_str::<Option<bool>>(value.get()).map_err(|_| refuse())? == Some(true) {
            enabled.insert(name.to_owned());
        }
    }
    Ok(enabled)
}

/// `ipam` absent, `null`, `{}` and `{"type": ""}` all mean that there is no delegate.
fn ipam_type(object: &Object) -> Result<Option<String>> {
    let Some(ipam) = object.get_any_case("ipam").and_then(|raw| Object::parse(raw.get().as_bytes()).ok()) else {
        return Ok(None);
    };
    let Some(ipam_type) = ipam.get_any_case("type").and_then(text_of).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    check_plugin_type(&ipam_type).map_err(|e| e.about("ipam"))?;
    Ok(Some(ipam_type))
}

/// The list as one text that needs no other file.
fn with_plugins(mut list: Object, plugins: &[PluginConf]) -> Result<String> {
    let objects: Vec<_> = plugins.iter().map(|plugin| &plugin.object).collect();
    list.set("plugins", to_raw_value(&objects).map_err(not_an_object)?);
    list.set_value("loadOnlyInlinedPlugins", &true).map_err(not_an_object)?;
    Ok(list.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_an_object(cause: serde_json::Error) -> Error {
    Error::refused(format!("not a JSON object: {cause}"))
}

fn wrong(key: &str, raw: &RawValue, allowed: &str) -> Error {
    Error::refused(format!("{key} is {}, allowed is {allowed}", raw.get()))
}

#[cfg(test)]
mod tests;
