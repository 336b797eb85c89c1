import ArgumentParser
import Engine
@main struct Aegis: ParsableCommand {}
