//! Finding a plugin and calling it (spec: section 2, "CNI protocol").

use crate::{
    error::{Error, Result},
    ident::check_plugin_type,
    process::{self, Finished},
    version::Command,
};
use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where plugins are, and how long one may take.
#[derive(Clone, Debug)]
pub struct Executor {
    /// `CNI_PATH`: directories with colons between them.
    pub path: OsString,
    /// A plugin that runs longer is killed. `None`: no limit.
    pub timeout: Option<Duration>,
}

/// The parameters of one call, which are the same for all plugins of a list. Empty where the command has none.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// `CNI_COMMAND`.
    pub command: Command,
    /// `CNI_CONTAINERID`.
    pub container_id: &'a str,
    /// `CNI_NETNS`.
    pub netns: &'a str,
    /// `CNI_IFNAME`.
    pub ifname: &'a str,
    /// `CNI_ARGS`.
    pub args: &'a str,
}

impl Call<'_> {
    /// A call that is about no attachment: GC, STATUS, VERSION.
    pub fn plain(command: Command) -> Self {
        Self { command, container_id: "", netns: "", ifname: "", args: "" }
    }
}

impl Executor {
    /// The first regular file with the name of the plugin's type in the directories of `CNI_PATH`.
    ///
    /// # Errors
    /// A type with separators; no directory; no such file.
    pub fn find(&self, plugin_type: &str) -> Result<PathBuf> {
        check_plugin_type(plugin_type)?;
        // An empty element would mean the working directory, whatever that is.
        let dirs: Vec<_> = env::split_paths(&self.path).filter(|dir| !dir.as_os_str().is_empty()).collect();
        if dirs.is_empty() {
            return Err(Error::refused(format!("find plugin {plugin_type:?}: CNI_PATH names no directory")));
        }
        dirs.iter().map(|dir| dir.join(plugin_type)).find(|path| path.is_file()).ok_or_else(|| {
            let dirs: Vec<_> = dirs.iter().map(|dir| dir.display().to_string()).collect();
            Error::refused(format!("find plugin {plugin_type:?} in {}: no such file", dirs.join(", ")))
        })
    }

    /// Calls a plugin with our environment, the six variables of the protocol and this stdin.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn call(&self, plugin: &Path, call: &Call<'_>, stdin: &[u8]) -> io::Result<Finished> {
        let env = [
            ("CNI_COMMAND", OsStr::new(call.command.as_str())),
            ("CNI_CONTAINERID", OsStr::new(call.container_id)),
            ("CNI_NETNS", OsStr::new(call.netns)),
            ("CNI_IFNAME", OsStr::new(call.ifname)),
            ("CNI_ARGS", OsStr::new(call.args)),
            ("CNI_PATH", &self.path),
        ];
        process::run(plugin, &env, stdin, self.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn executor(dirs: &[&Path]) -> Executor {
        Executor { path: env::join_paths(dirs).unwrap(), timeout: None }
    }

    #[test]
    fn first_regular_file_is_taken() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(one.path().join("bridge")).unwrap();
        fs::write(two.path().join("bridge"), "").unwrap();
        let found = executor(&[Path::new(""), one.path(), two.path()]).find("bridge").unwrap();
        assert_eq!(found, two.path().join("bridge"));
    }

    #[test]
    fn missing_plugin_is_told_with_the_directories() {
        let error = executor(&[Path::new("/a"), Path::new("/b")]).find("bridge").unwrap_err();
        assert_eq!(error.to_string(), "find plugin \"bridge\" in /a, /b: no such file");
    }

    #[test]
    fn path_without_directory_is_refused() {
        for path in ["", ":"] {
            let error = Executor { path: path.into(), timeout: None }.find("bridge").unwrap_err();
            assert_eq!(error.to_string(), "find plugin \"bridge\": CNI_PATH names no directory");
        }
    }

    #[test]
    fn type_that_is_a_path_is_refused() {
        assert!(executor(&[Path::new("/bin")]).find("../bin/sh").unwrap_err().to_string().contains("type is"));
    }
}
