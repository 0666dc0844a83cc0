#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The files that match a pattern of the shell's kind (glob(7)), sorted by name. A name without wildcards is itself, if it exists.
func filesMatching(_ pattern: String) -> [String] {
  var result = glob_t()
  defer { globfree(&result) }
  guard glob(pattern, 0, nil, &result) == 0 else { return [] }
  return (0..<Int(result.gl_pathc)).compactMap { index in
    result.gl_pathv[index].map { String(cString: $0) }
  }
}
