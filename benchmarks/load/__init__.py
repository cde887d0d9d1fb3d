"""Load with locust: rising rates until latency breaks and past that point, and a soak.

`pip install -e '.[load]'`, then `python -m benchmarks.load rise` or `python -m benchmarks.load soak --minutes 30`.
"""
