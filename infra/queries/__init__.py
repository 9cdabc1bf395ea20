"""What Prometheus is asked: a function per question, apart from who shows the answer or is woken by it."""
