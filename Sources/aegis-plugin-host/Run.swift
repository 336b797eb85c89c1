import PluginHost

/// `aegis-plugin-host run`: the process of one isolated plugin. The engine starts it with the descriptors it needs; by
/// hand it ends at once.
func runIsolatedPlugin() -> Int32 { IsolatedChild.run() }
