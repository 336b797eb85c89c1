enum PluginHostStub {}
