import Configuration
import ServiceLifecycle
import Subprocess
import Histogram
import Metrics
import Hummingbird
import Logging
public enum EngineStub {}
