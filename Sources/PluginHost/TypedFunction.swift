import CFFI
import PluginABI

/// A function of a mapped image with its type, made ready for calls once.
///
/// A signature that is not the function's own type is undefined behaviour: nothing can check it. So functions of files
/// nobody vouches for are called in a child process only.
public final class TypedFunction: @unchecked Sendable {  // immutable after init
  /// The plugin's id, or the name of the bound library.
  public let library: String
  public let name: String
  public let help: String
  public let signature: FunctionSignature
  /// Depends on its arguments only and may be called from every thread.
  public let isPure: Bool
  /// Declared by its author: cell i of every output depends on cells 0…i of the inputs only.
  public let isDeclaredCausal: Bool

  /// libffi's prepared call: it keeps pointers into `types`.
  let interface: UnsafeMutablePointer<ffi_cif>
  let code: @convention(c) () -> Void
  private let types: UnsafeMutablePointer<UnsafeMutablePointer<ffi_type>?>
  /// How many words one call passes.
  let wordCount: Int

  public typealias Code = @convention(c) () -> Void

  /// - Precondition: `code` has the type the signature states.
  public init(
    library: String, name: String, signature: FunctionSignature, flags: UInt32, help: String = "", code: Code
  ) {
    self.library = library
    self.name = name
    self.help = help
    self.signature = signature
    isPure = flags & AEGIS_FUNCTION_PURE != 0
    isDeclaredCausal = flags & AEGIS_FUNCTION_CAUSAL != 0
    self.code = code
    wordCount = signature.arguments.reduce(0) { $0 + $1.kind.wordCount }
    types = .allocate(capacity: max(wordCount, 1))
    types.initialize(repeating: nil, count: max(wordCount, 1))
    interface = .allocate(capacity: 1)
    interface.initialize(to: ffi_cif())
    var word = 0
    for argument in signature.arguments {
      switch argument.kind {
      case .f64: types[word] = aegis_ffi_double()
      case .i32, .bool: types[word] = aegis_ffi_int32()
      case .i64: types[word] = aegis_ffi_int64()
      case .str, .column, .candles: types[word] = aegis_ffi_pointer()
      case .list:
        types[word] = aegis_ffi_pointer()
        types[word + 1] = aegis_ffi_int64()
      }
      word += argument.kind.wordCount
    }
    let result =
      switch signature.result {
      case .f64: aegis_ffi_double()
      case .i32, .bool: aegis_ffi_int32()
      case .i64: aegis_ffi_int64()
      case .void: aegis_ffi_void()
      }
    let status = ffi_prep_cif(interface, FFI_DEFAULT_ABI, UInt32(wordCount), result, types)
    precondition(status == FFI_OK, "libffi prepares every signature of the grammar")
  }

  deinit {
    interface.deallocate()
    types.deallocate()
  }
}

/// What a call gave.
public struct FunctionOutcome: Sendable, Hashable {
  public enum Result: Sendable, Hashable {
    case none
    case number(Double)
    case integer(Int64)
    case flag(Bool)
  }

  public struct Column: Sendable, Hashable {
    public var name: String
    /// NaN where the function wrote nothing.
    public var values: [Double]
  }

  public var result: Result
  public var columns: [Column]
}
