import Glibc

/// How this process was started, for another one that takes its place.
enum ThisProgram {
  /// The program's path and its words. The path is the one it was called by, so that what stands there by then is run; called by a
  /// name alone, it is where the program was found.
  static let command: [String] = {
    let words = CommandLine.arguments
    guard let first = words.first, first.contains("/") else { return [executable] + words.dropFirst() }
    return [absolute(first)] + words.dropFirst()
  }()

  private static var executable: String {
    guard let path = realpath("/proc/self/exe", nil) else { return "/proc/self/exe" }
    defer { free(path) }
    return String(cString: path)
  }

  private static func absolute(_ path: String) -> String {
    guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
    defer { free(folder) }
    return String(cString: folder) + "/" + path
  }
}
