import Foundation
import Market

/// A new file per version: runs are computed again with the table they had, so a file is never written over with other
/// content.
enum InstrumentTableFiles {
  /// The table under the version of an equal one in the folder, else under the next unused one.
  static func numbered(_ table: InstrumentTable, in directory: DataDirectory) throws -> InstrumentTable {
    let names = try FileManager.default.contentsOfDirectory(atPath: directory.instruments.path)
    let newest = names.filter { $0.hasPrefix("instruments-") && $0.hasSuffix(".json") }.max()
    guard let newest, let version = UInt32(newest.dropFirst("instruments-".count).dropLast(".json".count))
    else { return table }
    var table = table
    table.version = version
    let known: InstrumentTable?
    do {
      let data = try Data(contentsOf: directory.instruments.appending(path: newest))
      known = try JSONDecoder().decode(InstrumentTable.self, from: data)
    } catch {
      known = nil  // unreadable, so not equal: it is left as it is and the next number taken
    }
    if known != table { table.version = version + 1 }
    return table
  }
}
