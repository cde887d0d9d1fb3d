-- People: a few cohorts, many schools of very different sizes, most of whom joined when a cohort began.
CREATE FUNCTION bench_uuid(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
  -- Version 7: milliseconds, eleven digits of them until the year 2527, then random bits.
  SELECT ('0' || to_hex((date_part('epoch', at) * 1000)::bigint) || '7' || right(gen_random_uuid()::text, 21))::uuid
$$
--;
-- `sessions`: how many AMPLIFY sessions somebody has held, a few very many; never more than one a week.
CREATE UNLOGGED TABLE bench_person AS
SELECT n, 'user_2' || substr(md5('person' || n), 1, 26) AS id, joined,
       CASE WHEN n <= :staff THEN 0
            ELSE least(90, floor(:busy * (power(1 - luck, -0.5) - 1)), floor(extract(epoch FROM now() - joined) / 86400 / 7.2))::integer
       END AS sessions,
       n > :staff AND kajabi < 0.22 AS by_kajabi, school, cohort
FROM (
  SELECT n, random() AS luck, random() AS kajabi,
         (:schools * power(random(), 2.2))::integer AS school,
         date_trunc('quarter', began) + least(now() - date_trunc('quarter', began) - interval '2 days',
           CASE WHEN random() < 0.6 THEN interval '1 day' * (-4 * ln(1 - random())) ELSE interval '88 days' * random() END) AS joined,
         to_char(began, 'YYYY"-Q"Q') AS cohort
  FROM (SELECT n, now() - interval '1 day' * (10 + 690 * sqrt(random())) AS began FROM generate_series(1, :people) AS n) wave
) somebody
--;
INSERT INTO users (id, handle, name, email, email_verified, role, region, school, cohort, show_on_leaderboard,
                   kajabi_contact_id, created_at, updated_at)
SELECT p.id, 'teacher-' || p.n,
       (ARRAY['Siti','Budi','Dewi','Agus','Sri','Andi','Rina','Joko','Wati','Hendra','Putri','Eko','Ayu','Rudi','Lestari',
              'Yusuf','Maya','Bambang','Indah','Fajar'])[1 + p.n % 20] || ' ' ||
       (ARRAY['Santoso','Wijaya','Nurhaliza','Pratama','Susanti','Hidayat','Kusuma','Rahayu','Setiawan','Wulandari',
              'Saputra','Anggraini','Gunawan','Permata','Siregar','Nasution','Ginting'])[1 + p.n / 7 % 17]
         || CASE WHEN p.n % 3 = 0 THEN ' ' || initcap(substr(md5(p.n::text), 1, 6)) ELSE '' END,
       'teacher' || p.n || '@school.example', p.n % 10 <> 0,
       CASE WHEN p.n = 1 THEN 'SUPERADMIN' WHEN p.n <= 4 THEN 'ADMIN' WHEN p.n <= :staff THEN 'REVIEWER' ELSE 'PARTICIPANT' END,
       (ARRAY['Jawa Barat','Jawa Timur','Jawa Tengah','Sumatera Utara','Bali','Sulawesi Selatan','Papua','Banten'])[1 + p.school % 8],
       CASE WHEN p.school % 50 <> 49 THEN
         (ARRAY['SD','SMP','SMA','SMK','MTs'])[1 + p.school % 5] || ' Negeri ' || 1 + p.school / 40 || ' ' ||
         (ARRAY['Bandung','Surabaya','Medan','Semarang','Makassar','Denpasar','Padang','Malang'])[1 + p.school / 5 % 8] END,
       CASE WHEN p.n % 33 <> 0 THEN p.cohort END, p.n % 37 <> 0, CASE WHEN p.by_kajabi THEN (700000 + p.n)::text END,
       p.joined, p.joined
FROM bench_person p
