import ArgumentParser
import Engine

extension Plugins {
  struct Trust: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Trust a plugin by its content, or show what is trusted.",
      discussion: """
        A plugin that is not trusted runs in a process of its own, and its signals feed the virtual ledger only. Trust is
        in a SHA-256: a new build is another content. --path trusts an author's own folder, in paper only, so that edit
        and reload flow. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found.
        """)

    @OptionGroup var options: EngineOptions

    @Argument(help: "A SHA-256, at least 12 digits of one that is known here, or a plugin file.")
    var subject: String?

    @Option(help: "Trust a folder and what is below it, in paper only.")
    var path: String?

    @Flag(help: "Take the trust back.") var revoke = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
      guard subject == nil || path == nil else { throw ValidationError("give a plugin or --path, not both") }
      guard !revoke || subject != nil || path != nil else {
        throw ValidationError("--revoke needs a plugin or --path")
      }
    }

    func run() async throws {
      let settings: Settings
      do { settings = try options.settings() } catch { throw fail(error) }
      do throws(PluginTrust.Failure) {
        if let subject {
          print(try PluginTrust.change(settings, subject: subject, isRevoked: revoke, json: json))
        } else if let path {
          print(try PluginTrust.change(settings, folder: path, isRevoked: revoke, json: json))
        } else {
          print(try PluginTrust.list(settings, json: json))
        }
      } catch {
        throw fail(error, exitCode: error.exitCode)
      }
    }
  }
}
