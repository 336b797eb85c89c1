import Glibc

/// The child's half of `FunctionRequest`: maps the file and runs its code.
public enum FunctionService {
  /// One line of JSON per function of a plugin file, or one with `error`.
  public static func list(_ path: String) -> (lines: [String], isFine: Bool) {
    do throws(FunctionError) {
      let library = try FunctionLibrary(path: path, cacheDirectory: nil)
      return (
        library.functions.map { function in
          FlatJSON.text([
            ("library", function.library), ("function", function.name),
            ("signature", function.signature.text), ("causal", "\(function.isDeclaredCausal)"),
            ("pure", "\(function.isPure)"), ("help", function.help),
          ])
        }, true
      )
    } catch {
      return ([FlatJSON.text([("error", error.description)])], false)
    }
  }

  /// Whether a library exports symbols; one line of JSON.
  public static func check(_ path: String, symbols: [String]) -> (lines: [String], isFine: Bool) {
    let declared = symbols.map { name in
      FunctionBinding.Declared(
        name: name, signature: FunctionSignature(result: .void, arguments: [], text: "void()"),
        isCausal: false)
    }
    do throws(FunctionError) {
      let library = try FunctionLibrary(
        FunctionBinding(id: path, path: path, sha256: "", functions: declared), cacheDirectory: nil)
      return ([FlatJSON.text([("symbols", "\(library.functions.count)"), ("sha256", library.sha256)])], true)
    } catch {
      return ([FlatJSON.text([("error", error.description)])], false)
    }
  }

  /// Does what the request asks and returns the answer's bytes.
  public static func answer(_ request: [UInt8], file: String) -> (bytes: [UInt8], isFine: Bool) {
    var message = FunctionMessage()
    message.put(FunctionMessage.answerMagic)
    do throws(FunctionError) {
      let request = try decoded(request, file: file)
      let function = try find(request.target)
      let call = FunctionCall(function)
      message.put(true)
      switch request.purpose {
      case .call:
        let outcome = call.run(request.values)
        message.put("")
        message.put(outcome)
      case .causality:
        message.put(FunctionCausality.violation(of: function, constants: request.values) ?? "")
      }
      return (message.bytes, true)
    } catch {
      message.put(false)
      message.put(error.description)
      return (message.bytes, false)
    }
  }

  private static func decoded(_ bytes: [UInt8], file: String) throws(FunctionError) -> FunctionRequest {
    do throws(FunctionMessage.Damaged) {
      return try FunctionRequest(decoding: bytes, file: file)
    } catch {
      throw .child("the request cannot be understood; aegis sends it, people do not")
    }
  }

  private static func find(_ target: FunctionRequest.Target) throws(FunctionError) -> TypedFunction {
    if target.isBound {
      let declared = FunctionBinding.Declared(name: target.name, signature: target.signature, isCausal: false)
      return try FunctionLibrary(
        FunctionBinding(id: target.library, path: target.file, sha256: target.sha256, functions: [declared]),
        cacheDirectory: nil
      ).functions[0]
    }
    let library = try FunctionLibrary(path: target.file, cacheDirectory: nil)
    let function = try library.function(target.name, of: target.library)
    guard library.sha256 == target.sha256, function.signature == target.signature else {
      throw .child("\(target.file) changed while it was looked at; try again")
    }
    return function
  }
}
