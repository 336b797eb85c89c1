import ArgumentParser
import Engine

extension Plugins {
  struct Unquarantine: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Let a quarantined plugin run again.",
      discussion: "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not quarantined.")

    @OptionGroup var options: EngineOptions

    @Argument(help: "A SHA-256, at least 12 digits of one, or `all`.")
    var subject: String

    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let settings: Settings
      do { settings = try options.settings() } catch { throw fail(error) }
      do throws(PluginTrust.Failure) {
        print(try PluginTrust.unquarantine(settings, subject: subject, json: json))
      } catch {
        throw fail(error, exitCode: error.exitCode)
      }
    }
  }
}
