"""What Centralita's figures of speed are made with: `python -m benchmarks` (docs/performance.md)."""
