import CReactor
import Glibc
import Testing

/// Pages of code and constants go back to the system, and come again from their files when they are used.
@Suite(.serialized) struct GiveBackTests {
  private protocol Named { var name: String { get } }
  private struct One: Named { var name: String { "one" } }
  private struct Two: Named { var name: String { "two" } }

  /// Written at run time: not to be lost with the pages around it.
  nonisolated(unsafe) private static var written = [1, 2, 3]

  /// Code, constants, tables that were relocated when the program was loaded, and a call through the C library.
  private static func work() -> String {
    let named: [any Named] = [One(), Two()]
    let casts = named.map { $0 is One ? $0.name : "\(type(of: $0))" }
    var numbers: [Int32] = [9, 3, 7]
    qsort(&numbers, numbers.count, MemoryLayout<Int32>.size) { $0!.load(as: Int32.self) - $1!.load(as: Int32.self) }
    let texts = ["zwei", "eins", "\(1.5)"].sorted()
    return "\(casts) \(numbers) \(texts) \(String(cString: cr_error_text(2))) \(written)"
  }

  @Test func whatWasGivenBackIsUsedAgainAsItWas() {
    Self.written.append(4)
    let before = Self.work()
    #expect(before.contains("[1, 2, 3, 4") && before.contains("[3, 7, 9]"))
    for _ in 0..<20 {
      cr_give_back_code()
      let after = Self.work()
      #expect(after == before)
    }
  }

  /// Mebibytes of files that are in the process's memory.
  private static func mapped() -> Double {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var text = [CChar](repeating: 0, count: 256)
    guard fgets(&text, 256, file) != nil else { return 0 }
    let fields = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
      separator: " ")
    return Double(fields[2])! * Double(sysconf(Int32(_SC_PAGESIZE))) / 1_048_576
  }

  private static var isWatched: Bool {
    ["__asan_init", "__tsan_init"].contains { (name: String) in dlsym(nil, name) != nil }
  }

  @Test(.enabled(if: !isWatched, "under a sanitizer, which knows what is in memory, nothing is given back"))
  func thePagesAreNotInMemoryAfterwards() {
    // Other tests run meanwhile and take theirs back: once it must be seen.
    let gains = (0..<20).map { _ in
      let before = Self.mapped()
      cr_give_back_code()
      return before - Self.mapped()
    }
    #expect(gains.max()! > 1, "mebibytes given back: \(gains)")
  }
}
